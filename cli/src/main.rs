//! The `fnlocal` command: arguments, composition, printing. This crate decides nothing.
#![warn(clippy::disallowed_macros)]

mod args;
mod ask;
mod build;
mod clean;
#[cfg(feature = "aws")]
mod cloud;
mod completions;
#[cfg(feature = "aws")]
mod destroy;
mod dev;
mod diagnosis;
mod doctor;
#[cfg(test)]
#[cfg(all(feature = "aws", feature = "loadtest"))]
mod documents;
mod emit;
mod error;
mod errors;
mod features;
mod init;
mod invoke;
mod json;
mod lines;
#[cfg(feature = "loadtest")]
mod loadtest;
mod log_dir;
mod logs;
mod man;
#[cfg(feature = "aws")]
mod node;
mod open;
mod printer;
#[cfg(feature = "aws")]
mod promote;
mod ps;
mod queue;
mod registry;
mod release;
#[cfg(feature = "aws")]
mod rollback;
mod run;
mod running;
mod schema;
mod search_path;
mod serving;
mod simulate;
#[cfg(feature = "aws")]
mod status;
mod terminal;
#[cfg(test)]
mod thread_faults;
mod top;
mod up;
mod wait;

/// A request makes a few dozen small allocations, most of them freed on the same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    search_path::make_absolute();
    terminal::report_panics();
    fnlocal_faults::install();
    // The panic was printed; the exit code says that fnlocal is at fault.
    let exit = std::panic::catch_unwind(run::run).unwrap_or(fnlocal_api::Exit::Bug);
    exit.into()
}
