//! `fnlocal dev`: composes the emulator with a printer and Ctrl-C.

mod args;

pub use args::{DevArgs, EXAMPLES, ProfileChoice, RuntimeChoice};

use fnlocal_api::Exit;
use fnlocal_emulator::select::Choice;
use fnlocal_emulator::serve::{
    self as emulator, FolderOptions, ServeOptions, SingleNodeOptions, WorkloadOptions,
};

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
        emulator::run(options(args), sink, on_ready, stop).await?;
        Ok(Exit::Ok)
    })
}

fn options(args: &DevArgs) -> ServeOptions {
    let folder = FolderOptions {
        runtime: args.runtime.map(|choice| match choice {
            RuntimeChoice::Auto => Choice::Auto,
            RuntimeChoice::Docker => Choice::Docker,
            RuntimeChoice::Process => Choice::Process,
        }),
        mounts: args.mounts.into(),
        profile: args.profile.into(),
    };
    ServeOptions {
        path: args.folder.clone(),
        host: args.host,
        port: args.port,
        env_name: args.env_name.clone(),
        workload: WorkloadOptions::Folder(folder),
        topology: args.fleet.topology(SingleNodeOptions {
            record: args.record.clone(),
            inspect: args.inspect.clone(),
        }),
        sources: SOURCES,
    }
}
