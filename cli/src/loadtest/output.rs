//! The results of a run: lines, files, an exit code.

use std::path::Path;

use fnlocal_api::Exit;
use fnlocal_loadtest::budget::BudgetVerdict;
use fnlocal_loadtest::calibration::CalibrationFile;
use fnlocal_loadtest::compare::compare;
use fnlocal_loadtest::{Gathered, LoadPlan, LoadReport, html, summary};

use super::unwritable;
use crate::error::{CliError, CommandResult};
use crate::loadtest::LoadtestArgs;
use crate::terminal;

/// Looks whether files can be written, before a run that would be lost.
pub fn check_places(args: &LoadtestArgs) -> Result<(), CliError> {
    let places = [
        &args.save,
        &args.html,
        &args.calibration,
        &args.goose_report,
    ];
    for path in places.into_iter().flatten() {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if let Err(error) = tempfile::tempfile_in(folder) {
            return Err(unwritable(path, error).into());
        }
    }
    Ok(())
}

/// Prints and writes what was asked for.
pub fn write(
    args: &LoadtestArgs,
    report: &LoadReport,
    old: Option<&LoadReport>,
    gathered: &Gathered,
    plan: &LoadPlan,
) -> CommandResult {
    let comparison = old.map(|old| compare(old, report));
    let verdicts: Vec<BudgetVerdict> = args.fail_if.iter().map(|one| one.judge(report)).collect();
    if let Some(path) = &args.save {
        put(path, &serde_json::to_string(report).unwrap_or_default())?;
    }
    if let Some(path) = &args.html {
        put(path, &html::page(report, comparison.as_ref(), &verdicts))?;
    }
    if let Some(path) = &args.calibration {
        let calibration = CalibrationFile::new(gathered, plan);
        put(
            path,
            &serde_json::to_string_pretty(&calibration).unwrap_or_default(),
        )?;
    }
    if args.json {
        let all = serde_json::json!({
            "report": report,
            "comparison": comparison,
            "budgets": verdicts,
        });
        terminal::print_json(&all);
    } else {
        terminal::print!("{}", summary::summary(report));
        if let Some(comparison) = &comparison {
            terminal::print!("{}", summary::comparison(comparison));
        }
        terminal::print!("{}", summary::budgets(&verdicts));
    }
    Ok(exit(report, &verdicts))
}

fn exit(report: &LoadReport, verdicts: &[BudgetVerdict]) -> Exit {
    let failed: Vec<&BudgetVerdict> = verdicts.iter().filter(|verdict| verdict.failed).collect();
    for verdict in &failed {
        terminal::eprintln!("budget exceeded: {verdict}");
    }
    if report.interrupted {
        return Exit::Interrupted;
    }
    // Figures of the generator's own keep no budget.
    let unknown = !verdicts.is_empty() && !report.invalid.is_empty();
    if unknown {
        terminal::eprintln!("budgets cannot be judged: the run is not valid");
    }
    if failed.is_empty() && !unknown {
        Exit::Ok
    } else {
        Exit::Failed
    }
}

fn put(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|error| unwritable(path, error))?;
    terminal::eprintln!("wrote {}", path.display());
    Ok(())
}
