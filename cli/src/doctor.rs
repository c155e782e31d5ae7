//! `fnlocal doctor`: prints what was found, with a fix for what is not well.

use fnlocal_emulator::doctor::{self, Finding, State};

use crate::args::Doctor;
use crate::exit::Exit;
use crate::run::fail;

/// Looks, and prints.
pub fn run(args: &Doctor) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Failed, &error, None),
    };
    let findings = runtime.block_on(doctor::examine(&args.folder));
    if args.json {
        let line = serde_json::to_string(&findings);
        anstream::println!("{}", line.unwrap_or_default());
    } else {
        anstream::print!("{}", findings.iter().map(line).collect::<String>());
    }
    if findings.iter().any(|finding| finding.state == State::Bad) {
        Exit::Failed
    } else {
        Exit::Ok
    }
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
