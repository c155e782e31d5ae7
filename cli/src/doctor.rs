//! `fnlocal doctor`: prints what was found, with a fix for what is not well.

mod aws;

use fnlocal_api::Exit;
use fnlocal_emulator::doctor::{self, Finding, State};

use crate::args::Doctor;
use crate::error::Outcome;
use crate::terminal;
use crate::wait;

/// Looks, and prints.
pub fn run(args: &Doctor) -> Outcome {
    let findings = wait::until_done(async {
        let mut findings = doctor::examine(&args.folder).await;
        findings.extend(aws::examine().await);
        findings
    })?;
    if args.json {
        let line = serde_json::to_string(&findings);
        terminal::print_json(&line.unwrap_or_default());
    } else {
        terminal::print!("{}", findings.iter().map(line).collect::<String>());
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Ok })
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
