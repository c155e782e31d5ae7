//! The `fnlocal` command: arguments, composition, printing. It decides nothing.

mod args;
mod dev;
mod exit;
mod json;
mod lines;
mod loadtest;
mod printer;
mod run;

/// A request makes a few dozen small allocations, most of them freed on the same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    run::run().into()
}
