//! `fnlocal build`: composes the emulator's builder with a progress display and a table.

mod args;
mod listing;
pub mod progress;
mod table;

pub use args::{BuildArgs, EXAMPLES};

use fnlocal_api::Exit;
use fnlocal_image::build::{self, BuildOptions};
use fnlocal_image::release;

use crate::error::{CliError, CommandResult};
use crate::run::{now, warn};
use crate::terminal;
use crate::wait;
use progress::BuildBar;

/// Builds, then prints what was built.
pub fn run(args: &BuildArgs) -> CommandResult {
    if args.list {
        return listing::run(args);
    }
    let options = BuildOptions {
        path: args.folder.clone(),
        platforms: args.platform.clone(),
        pull: args.pull,
        large: build::LARGE,
    };
    let progress = BuildBar::new();
    let tell = |news| progress.report(&news);
    let outcome = wait::until_done(async {
        tokio::select! {
            outcome = release::build(&options, &tell, now()) => Some(outcome),
            // The next build removes leftovers in the engine.
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    progress.clear();
    let Some(outcome) = outcome? else {
        return Ok(Exit::Interrupted);
    };
    let (report, made) = outcome.map_err(CliError::from_make)?;
    for warning in &made.warnings {
        warn(&warning.text, warning.hint.as_deref());
    }
    if args.json {
        terminal::print_json(&table::json(&report, &made));
    } else {
        terminal::print!("{}", table::text(&report, &made));
    }
    Ok(Exit::Ok)
}
