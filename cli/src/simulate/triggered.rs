//! Triggered work of a scenario: the schedules of `fnlocal.toml`, and rates from arguments.

use fnlocal_gateway::triggers::schedule::Schedule;
use fnlocal_project::ConfigFile;
use fnlocal_sim::scenario::ScenarioFunction;
use fnlocal_sim::triggered::{Due, Triggered};

use super::begin::begin;
use super::error::SimulateError;
use crate::simulate::SimulateArgs;

/// Returns the sources of jobs, and adds omitted ones to `notes`. `duration` is in seconds.
pub fn triggered(
    args: &SimulateArgs,
    file: &ConfigFile,
    functions: &[ScenarioFunction],
    duration: f64,
    notes: &mut Vec<String>,
) -> Result<Vec<Triggered>, SimulateError> {
    let mut all = Vec::new();
    let begin = args.at.as_deref().map(begin).transpose()?;
    for (number, function) in (0..).zip(functions) {
        let settings = file.settings(&function.name, args.profile.into())?;
        let policy = settings.triggers.delivery;
        if let Some(spec) = &settings.schedule {
            match begin {
                Some(begin) => {
                    let schedule = Schedule::new(spec).map_err(SimulateError::Cron)?;
                    all.push(Triggered {
                        function: number,
                        due: Due::At(times(&schedule, begin, duration)),
                        policy: policy.clone(),
                    });
                }
                None => notes.push(format!(
                    "the schedule of `{}` is at times of day and left out: say when the load \
                     begins with --at",
                    function.name
                )),
            }
        }
        let rates = args.rate.iter();
        let of = |rate: &&super::load::AsyncRate| {
            rate.function
                .as_ref()
                .is_none_or(|name| *name == function.name)
        };
        for rate in rates.filter(of) {
            let share = if rate.function.is_some() {
                1.0
            } else {
                functions.len() as f64
            };
            all.push(Triggered {
                function: number,
                due: Due::Rate(rate.rate / share),
                policy: policy.clone(),
            });
        }
    }
    let known = |name: &String| functions.iter().any(|one| one.name == *name);
    let mut named = args.rate.iter().filter_map(|rate| rate.function.as_ref());
    if let Some(unknown) = named.find(|name| !known(name)) {
        return Err(SimulateError::UnknownFunction(unknown.clone()));
    }
    if !all.is_empty() {
        let text = "triggered work waits in one queue for all nodes; nodes in the cloud have one \
                    each";
        notes.push(text.to_owned());
    }
    Ok(all)
}

/// When a schedule is due, in seconds from the beginning, which is in seconds since 1970.
fn times(schedule: &Schedule, begin: i64, duration: f64) -> Vec<f64> {
    let begin = u64::try_from(begin).unwrap_or(0) * 1000;
    let end = begin.saturating_add((duration * 1000.0) as u64);
    // Times due at the very beginning belong to the run.
    let due = schedule.due(begin.saturating_sub(1), end);
    due.into_iter()
        .map(|at| (at - begin) as f64 / 1000.0)
        .collect()
}
