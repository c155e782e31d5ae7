//! `fnlocal up`: composes the emulator with a printer and Ctrl-C.

mod args;

pub use args::{EXAMPLES, UpArgs};

use fnlocal_api::Exit;
use fnlocal_emulator::serve::{
    self as emulator, ReleaseOptions, ServeOptions, SingleNodeOptions, WorkloadOptions,
};

use crate::error::CommandResult;
use crate::features::SOURCES;
use crate::printer::PrintStyle;
use crate::run::now;
use crate::serving::{announce, serve};

/// Runs until Ctrl-C.
pub fn run(args: &UpArgs) -> CommandResult {
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

fn options(args: &UpArgs) -> ServeOptions {
    ServeOptions {
        path: args.folder.clone(),
        host: args.host,
        port: args.port,
        env_name: args.env_name.clone(),
        workload: WorkloadOptions::Release(ReleaseOptions {
            release: args.release.clone(),
            now: now(),
        }),
        topology: args.fleet.topology(SingleNodeOptions::default()),
        sources: SOURCES,
    }
}
