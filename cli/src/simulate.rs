//! `fnlocal simulate`: composes a scenario, runs it, prints what came of it.

mod args;
mod begin;
mod chart;
mod compose;
mod error;
mod html;
pub mod load;
mod table;
mod trace;
mod triggered;

pub use args::{EXAMPLES, RoutingChoice, SimulateArgs};

use std::io::BufReader;
use std::path::Path;

use fnlocal_api::Exit;
use fnlocal_sim::search::{Sweep, find_prescale};
use fnlocal_sim::workload::{RateShape, RequestSource};
use fnlocal_sim::{Scenario, SimulationReport, replay, simulate};

use crate::error::CommandResult;
use crate::terminal;
use error::SimulateError;

/// Runs until the simulation is over.
pub fn run(args: &SimulateArgs) -> CommandResult {
    match &args.replay {
        Some(recording) => replayed(recording, args.json)?,
        None => simulated(args)?,
    }
    Ok(Exit::Ok)
}

fn replayed(path: &Path, json: bool) -> Result<(), SimulateError> {
    let read = |source| SimulateError::File {
        what: "the recording",
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(read)?;
    let done = replay::replay(BufReader::new(file)).map_err(|source| SimulateError::Replay {
        path: path.to_owned(),
        source,
    })?;
    if json {
        let line = serde_json::json!({"events": done.events, "effects": done.effects});
        terminal::print_json(&line);
    } else {
        terminal::println!(
            "{} events gave the same {} effects again",
            done.events,
            done.effects
        );
    }
    Ok(())
}

fn simulated(args: &SimulateArgs) -> Result<(), SimulateError> {
    let (scenario, notes) = compose::scenario(args)?;
    let told = |mut report: SimulationReport| {
        report.notes.splice(0..0, notes.iter().cloned());
        report
    };
    if let Some(sweep) = &args.sweep {
        let scenarios = sweep.scenarios(&scenario)?;
        let reports: Vec<SimulationReport> =
            Sweep::run(&scenarios)?.into_iter().map(told).collect();
        return swept(args, sweep, &reports);
    }
    let (report, found) = if args.find_prescale {
        let found = find_prescale(&scenario, event(&scenario))?;
        ((*found.report).clone(), Some(found))
    } else {
        (simulate(&scenario)?, None)
    };
    let report = told(report);
    if args.json {
        let mut value = serde_json::to_value(&report).map_err(SimulateError::Json)?;
        if let Some(found) = &found {
            value["prescale"] = serde_json::to_value(found).map_err(SimulateError::Json)?;
        }
        terminal::print_json(&value);
    } else {
        if let Some(found) = &found {
            terminal::print!("{}", table::found(found));
        }
        terminal::print!("{}", table::report(&report));
    }
    write_html(args, &[(String::new(), &report)])
}

fn swept(
    args: &SimulateArgs,
    sweep: &Sweep,
    reports: &[SimulationReport],
) -> Result<(), SimulateError> {
    let titles = sweep
        .values
        .iter()
        .map(|value| format!("{} = {value}", sweep.key));
    let runs: Vec<(String, &SimulationReport)> = titles.zip(reports).collect();
    if args.json {
        let rows = sweep.values.iter().zip(reports);
        let rows: Vec<_> = rows
            .map(|(value, report)| serde_json::json!({"value": value, "report": report}))
            .collect();
        terminal::print_json(&serde_json::json!({"key": sweep.key, "runs": rows}));
    } else {
        terminal::print!("{}", table::sweep(sweep, reports));
    }
    write_html(args, &runs)
}

fn write_html(
    args: &SimulateArgs,
    runs: &[(String, &SimulationReport)],
) -> Result<(), SimulateError> {
    let Some(path) = &args.html else {
        return Ok(());
    };
    std::fs::write(path, html::page(runs)).map_err(|source| SimulateError::File {
        what: "the page",
        path: path.clone(),
        source,
    })
}

/// Returns the time for which nodes are pre-scaled: the rise of the load, else its middle.
fn event(scenario: &Scenario) -> f64 {
    match &scenario.source {
        RequestSource::Drawn(workload) => match workload.shape {
            RateShape::Ramp { at, .. } => at,
            RateShape::Steady { .. } | RateShape::Diurnal { .. } => workload.duration / 2.0,
        },
        RequestSource::Traced(trace) => trace.duration() / 2.0,
    }
}
