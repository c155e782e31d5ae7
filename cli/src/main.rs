//! The `fnlocal` command: arguments, composition, printing. It decides nothing.

mod args;
mod ask;
mod build;
mod clean;
mod cloud;
mod destroy;
mod dev;
mod doctor;
mod errors;
mod emit;
mod exit;
mod json;
mod kept;
mod lines;
mod loadtest;
mod logs;
mod printer;
mod promote;
mod queue;
mod registry;
mod release;
mod rollback;
mod run;
mod serving;
mod simulate;
mod status;
mod up;
mod wait;

/// A request makes a few dozen small allocations, most of them freed on the same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    run::run().into()
}
