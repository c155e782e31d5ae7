//! `fnlocal dev`: composes the emulator with a printer and Ctrl-C.

use fnlocal_api::Exit;
use fnlocal_emulator::dev::{self, DevOptions};
use fnlocal_emulator::select::Choice;

use crate::args::{DevArgs, RuntimeChoice};
use crate::error::CommandResult;
use crate::features::SOURCES;
use crate::printer::PrintStyle;
use crate::serving::{announce, serve};

/// Runs until Ctrl-C.
pub fn run(args: &DevArgs) -> CommandResult {
    let style = PrintStyle {
        json: args.json,
        documents: false,
        quiet: args.quiet,
    };
    let on_ready = |ready: &_| announce(ready, args.json);
    serve(style, async |sink, stop| {
        dev::run(options(args), sink, on_ready, stop).await?;
        Ok(Exit::Ok)
    })
}

fn options(args: &DevArgs) -> DevOptions {
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
