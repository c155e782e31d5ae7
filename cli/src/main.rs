//! The `fnlocal` command: arguments, composition, printing. It decides nothing.

mod args;
mod build;
mod clean;
mod cloud;
mod destroy;
mod dev;
mod doctor;
mod exit;
mod json;
mod lines;
mod loadtest;
mod node;
mod printer;
mod promote;
mod registry;
mod release;
mod rollback;
mod run;
mod serving;
mod simulate;
mod status;
mod up;

/// A request makes a few dozen small allocations, most of them freed on the same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    run::run().into()
}
