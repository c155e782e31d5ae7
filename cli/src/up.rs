//! `fnlocal up`: composes the emulator with a printer and Ctrl-C.

use fnlocal_emulator::fleet::FleetError;
use fnlocal_emulator::up::{self, UpError, UpOptions};
use fnlocal_gateway::triggers::store::StoreError;
use fnlocal_project::StateError;

use crate::args::Up;
use crate::exit::Exit;
use crate::features::SOURCES;
use crate::printer::Style;
use crate::release;
use crate::run::{fail, now};
use crate::serving::{announce, serve};

/// Runs until Ctrl-C.
pub fn run(args: &Up) -> Exit {
    let style = Style {
        json: args.json,
        documents: false,
        quiet: args.quiet,
    };
    let on_ready = |ready: &_| announce(ready, args.json);
    serve(
        style,
        async |sink, stop| up::run(options(args), sink, on_ready, stop).await,
        |error| fail(exit_of(error), error, error.hint().as_deref()),
    )
}

fn options(args: &Up) -> UpOptions {
    UpOptions {
        path: args.folder.clone(),
        host: args.host,
        port: args.port,
        env_name: args.env_name.clone(),
        release: args.release.clone(),
        now: now(),
        fleet: args.fleet.options(),
        sources: SOURCES,
    }
}

fn exit_of(error: &UpError) -> Exit {
    match error {
        UpError::Project(_) | UpError::Env(_) | UpError::Foreign { .. } => Exit::Config,
        UpError::Fleet(FleetError::NoNode) => Exit::Failed,
        UpError::Fleet(_) => Exit::Config,
        UpError::State(StateError::Taken { .. }) => Exit::TryAgain,
        UpError::Make(error) => release::exit_of(error),
        UpError::Connect(_) | UpError::Runtime(_) => Exit::Unreachable,
        UpError::Queue(StoreError::Taken(_)) => Exit::TryAgain,
        UpError::Bug(_) => Exit::Bug,
        _ => Exit::Failed,
    }
}
