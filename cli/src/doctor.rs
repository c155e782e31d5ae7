//! `fnlocal doctor`: prints what was found, with a fix for what is not well.

mod args;
#[cfg(feature = "aws")]
mod aws;
mod bundle;
mod redact;

pub use args::{DoctorArgs, EXAMPLES};

use std::path::Path;

use bundle::Bundle;
use fnlocal_api::Exit;
use fnlocal_emulator::doctor::{self, Finding, FindingState};

use crate::error::{CliError, CommandResult};
use crate::terminal;
use crate::wait;

/// Looks, and prints.
pub fn run(args: &DoctorArgs) -> CommandResult {
    let findings = wait::until_done(examine(&args.folder))?;
    if let Some(to) = &args.bundle {
        let to = to.clone().unwrap_or_else(bundle::usual_file);
        return write_bundle(args, &findings, &to);
    }
    if args.json {
        let line = serde_json::to_string(&findings);
        terminal::print_json(&line.unwrap_or_default());
    } else {
        terminal::print!("{}", findings.iter().map(line).collect::<String>());
    }
    let bad = findings
        .iter()
        .any(|finding| finding.state == FindingState::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Ok })
}

fn write_bundle(args: &DoctorArgs, findings: &[Finding], to: &Path) -> CommandResult {
    let bundle = Bundle {
        folder: &args.folder,
        findings,
        with_output: args.with_output,
    };
    let written = wait::until_done(bundle.write(to))?;
    let bytes = written
        .map_err(|error| CliError::new(Exit::Failed, error, "name another file: --bundle=FILE"))?;
    let (to, kb) = (to.display().to_string(), bytes.div_ceil(1000));
    let to = terminal::one_line(&to);
    terminal::eprintln!("{to} is written ({kb} kB): read it before you send it");
    Ok(Exit::Ok)
}

async fn examine(folder: &Path) -> Vec<Finding> {
    let findings = doctor::examine(folder).await;
    #[cfg(feature = "aws")]
    let findings = findings.into_iter().chain(aws::examine().await).collect();
    findings
}

fn line(finding: &Finding) -> String {
    let (colour, mark) = match finding.state {
        FindingState::Good => (anstyle::AnsiColor::Green, "ok"),
        FindingState::Odd => (anstyle::AnsiColor::Yellow, "!"),
        FindingState::Bad => (anstyle::AnsiColor::Red, "x"),
    };
    let style = colour.on_default().bold();
    let mut text = format!(
        "{style}{mark:>2}{style:#}  {:<10}  {}\n",
        finding.what, finding.found
    );
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("{:16}fix: {fix}\n", ""));
    }
    text
}
