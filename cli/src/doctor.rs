//! `fnlocal doctor`: prints what was found, with a fix for what is not well.

#[cfg(feature = "aws")]
mod aws;

use std::path::Path;

use fnlocal_emulator::doctor::{self, Finding, State};

use crate::args::Doctor;
use crate::exit::Exit;
use crate::terminal;
use crate::wait;

/// Looks, and prints.
pub fn run(args: &Doctor) -> Exit {
    let findings = match wait::until_done(examine(&args.folder)) {
        Ok(findings) => findings,
        Err(exit) => return exit,
    };
    if args.json {
        let line = serde_json::to_string(&findings);
        terminal::print_json(&line.unwrap_or_default());
    } else {
        terminal::print!("{}", findings.iter().map(line).collect::<String>());
    }
    if findings.iter().any(|finding| finding.state == State::Bad) {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

async fn examine(folder: &Path) -> Vec<Finding> {
    let findings = doctor::examine(folder).await;
    #[cfg(feature = "aws")]
    let findings = findings.into_iter().chain(aws::examine().await).collect();
    findings
}

fn line(finding: &Finding) -> String {
    let (colour, mark) = match finding.state {
        State::Good => (anstyle::AnsiColor::Green, "ok"),
        State::Odd => (anstyle::AnsiColor::Yellow, "!"),
        State::Bad => (anstyle::AnsiColor::Red, "x"),
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
