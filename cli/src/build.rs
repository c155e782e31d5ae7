//! `fnlocal build`: composes the emulator's builder with a progress display and a table.

pub mod progress;
mod table;

use fnlocal_image::build::{self, BuildError, BuildOptions};
use fnlocal_image::release::{self, MakeError};
use fnlocal_project::StateError;

use crate::args::Build;
use crate::exit::Exit;
use crate::run::{fail, now, warn};
use crate::terminal;
use crate::wait;
use progress::Progress;

/// Builds, then prints what was built.
pub fn run(args: &Build) -> Exit {
    let options = BuildOptions {
        path: args.folder.clone(),
        platforms: args.platform.clone(),
        pull: args.pull,
        large: build::LARGE,
    };
    let progress = Progress::new();
    let tell = |news| progress.tell(&news);
    let outcome = wait::until_done(async {
        tokio::select! {
            outcome = release::build(&options, &tell, now()) => Some(outcome),
            // What is left in the engine is removed by the next build.
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    progress.clear();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(exit) => return exit,
    };
    match outcome {
        None => Exit::Interrupted,
        Some(Ok((report, made))) => {
            for warning in &made.warnings {
                warn(&warning.text, warning.hint.as_deref());
            }
            if args.json {
                terminal::print_json(&table::json(&report, &made));
            } else {
                terminal::print!("{}", table::text(&report, &made));
            }
            Exit::Ok
        }
        Some(Err(error)) => {
            if let MakeError::Build(error) = &error
                && let Some(frame) = error.frame()
            {
                terminal::eprintln!("{frame}");
            }
            fail(
                crate::release::exit_of(&error),
                &error,
                error.hint().as_deref(),
            )
        }
    }
}

/// How a command ends whose build failed.
pub fn exit_of(error: &BuildError) -> Exit {
    match error {
        BuildError::Project(_)
        | BuildError::Env(_)
        | BuildError::Code(_)
        | BuildError::Entrypoint { .. }
        | BuildError::Program { .. } => Exit::Config,
        BuildError::State(StateError::Taken { .. }) => Exit::TryAgain,
        BuildError::Engine { .. } => Exit::Unreachable,
        BuildError::Bug(_) => Exit::Bug,
        _ => Exit::Failed,
    }
}
