//! `fnlocal loadtest`: finds the target and the scenario, runs, writes what came of it.

mod args;
mod output;
mod scenario;
mod stdout;
mod target;

pub use args::{EXAMPLES, LoadProfile, LoadtestArgs};

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use fnlocal_api::Exit;
use fnlocal_loadtest::profile::LoadShape;
use fnlocal_loadtest::report::Context;
use fnlocal_loadtest::{
    CheckedTarget, ColdPlan, LoadKind, LoadPlan, LoadReport, LoadTestError, Target,
};
use fnlocal_project::{Project, ProjectError};
use tokio_util::sync::CancellationToken;

use crate::error::{CliError, CommandResult};
use crate::terminal;
use crate::wait;

/// Runs a load test.
pub fn run(args: &LoadtestArgs) -> CommandResult {
    crate::serving::raise_open_files();
    let stop = CancellationToken::new();
    on_interrupt(stop.clone()).map_err(CliError::failed)?;
    wait::until_done(test(args, stop))?
}

/// The first Ctrl-C ends the run, whose report is still written; the second ends everything.
///
/// Through the library goose uses, and before it: goose's own handler, which would end the process
/// without a report, then finds the place taken.
fn on_interrupt(stop: CancellationToken) -> Result<(), ctrlc::Error> {
    let again = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if again.swap(true, Ordering::AcqRel) {
            std::process::exit(Exit::Interrupted as i32);
        }
        stop.cancel();
    })
}

async fn test(args: &LoadtestArgs, stop: CancellationToken) -> CommandResult {
    let project = project(args)?;
    let old = args.compare.as_deref().map(LoadReport::read).transpose()?;
    let target = target::find(args).await?;
    let checked = CheckedTarget::look(&target).await?;
    let scenario = scenario::choose(args, project.as_ref(), &checked)?;
    let plan = LoadPlan {
        shape: shape(args.profile),
        load: load(args, scenario.steps.len()),
        connections: args.connections as usize,
        timeout: args.timeout,
        goose_report: args.goose_report.clone(),
        scenario,
    };
    checked.covers(&plan)?;
    check_users(&plan)?;
    let functions: Vec<&str> = plan
        .scenario
        .steps
        .iter()
        .map(|step| &*step.function)
        .collect();
    for budget in &args.fail_if {
        budget.check(&functions)?;
    }
    output::check_places(args)?;
    target::permitted(args, &target, &plan)?;
    let bar = terminal::line("{wide_msg}");
    let diverted = args.users.and_then(|_| stdout::Diverted::new());
    let gathered = checked
        .run(
            &plan,
            |live| {
                bar.set_message(fnlocal_loadtest::summary::progress(live));
            },
            stop,
        )
        .await?;
    drop(diverted);
    bar.finish_and_clear();
    let context = Context {
        target: &target,
        plan: &plan,
    };
    let report = LoadReport::new(&gathered, &context);
    output::write(args, &report, old.as_ref(), &gathered, &plan)
}

/// The folder's project. Without one, functions are given by name.
fn project(args: &LoadtestArgs) -> Result<Option<Project>, CliError> {
    match Project::open(&args.folder, None) {
        Ok(project) => Ok(Some(project)),
        Err(error @ (ProjectError::Config(_) | ProjectError::NotFound { .. })) => Err(error.into()),
        Err(error) if args.scenario.is_some() => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn shape(choice: LoadProfile) -> LoadShape {
    match choice {
        LoadProfile::Steady => LoadShape::Steady,
        LoadProfile::Surge => LoadShape::Surge,
        LoadProfile::Spike => LoadShape::Spike,
        LoadProfile::Soak => LoadShape::Soak,
        LoadProfile::Coldstart => LoadShape::Coldstart,
    }
}

fn load(args: &LoadtestArgs, functions: usize) -> LoadKind {
    let shape = shape(args.profile);
    if shape == LoadShape::Coldstart {
        let many = args.at_once > 0;
        return LoadKind::Cold(ColdPlan {
            rounds: args.rounds,
            at_once: args.at_once,
            bursts: if many {
                args.rounds.div_ceil(5).max(1)
            } else {
                0
            },
        });
    }
    debug_assert!(functions > 0, "a scenario is never empty");
    let length = args.duration.unwrap_or(shape.default_length());
    let base = args.users.map_or(args.rate, f64::from);
    let segments = shape.segments(base, args.peak.unwrap_or(base * 10.0), length);
    if args.users.is_some() {
        LoadKind::Users(segments)
    } else {
        LoadKind::Rate(segments)
    }
}

/// goose knows six methods.
fn check_users(plan: &LoadPlan) -> Result<(), CliError> {
    let LoadKind::Users(_) = plan.load else {
        return Ok(());
    };
    let mut steps = plan.scenario.steps.iter();
    match steps.find(|step| !fnlocal_loadtest::can_send(&step.method)) {
        None => Ok(()),
        Some(step) => Err(CliError::usage(
            format!("users cannot send {}", step.method),
            "they send GET, HEAD, POST, PUT, PATCH and DELETE; with --rate there is no such limit",
        )),
    }
}

fn unwritable(path: &Path, source: std::io::Error) -> LoadTestError {
    LoadTestError::File {
        what: "write",
        path: path.to_owned(),
        source,
    }
}

/// Returns the target's name in messages.
fn place(target: &Target) -> &str {
    &target.url
}
