//! `fnlocal dev`: composes the emulator with a printer and Ctrl-C.

use fnlocal_emulator::dev::{self, DevError, DevOptions};
use fnlocal_emulator::fleet::FleetError;
use fnlocal_emulator::select::Choice;
use fnlocal_gateway::triggers::store::StoreError;
use fnlocal_project::StateError;

use crate::args::{Dev, RuntimeChoice};
use crate::exit::Exit;
use crate::features::SOURCES;
use crate::printer::Style;
use crate::run::fail;
use crate::serving::{announce, serve};

/// Runs until Ctrl-C.
pub fn run(args: &Dev) -> Exit {
    let style = Style {
        json: args.json,
        documents: false,
        quiet: args.quiet,
    };
    let on_ready = |ready: &_| announce(ready, args.json);
    serve(
        style,
        async |sink, stop| dev::run(options(args), sink, on_ready, stop).await,
        |error| fail(exit_of(error), error, error.hint().as_deref()),
    )
}

fn options(args: &Dev) -> DevOptions {
    DevOptions {
        path: args.folder.clone(),
        host: args.host,
        port: args.port,
        runtime: args.runtime.map(|choice| match choice {
            RuntimeChoice::Auto => Choice::Auto,
            RuntimeChoice::Docker => Choice::Docker,
            RuntimeChoice::Process => Choice::Process,
        }),
        mounts: args.mounts.into(),
        env_name: args.env_name.clone(),
        profile: args.profile.into(),
        record: args.record.clone(),
        inspect: args.inspect.clone(),
        fleet: args.fleet.options(),
        sources: SOURCES,
    }
}

fn exit_of(error: &DevError) -> Exit {
    match error {
        DevError::Project(_) | DevError::Env(_) => Exit::Config,
        DevError::Fleet(FleetError::NoNode) => Exit::Failed,
        DevError::Fleet(_) => Exit::Config,
        DevError::State(StateError::Taken { .. }) => Exit::TryAgain,
        DevError::Queue(StoreError::Taken(_)) => Exit::TryAgain,
        DevError::Bug(_) => Exit::Bug,
        DevError::Runtime(_) => Exit::Unreachable,
        _ => Exit::Failed,
    }
}
