//! The `fnlocal` command: arguments, composition, printing. It decides nothing.

mod args;
mod build;
mod clean;
mod dev;
mod doctor;
mod errors;
mod exit;
mod init;
mod invoke;
mod json;
mod kept;
mod lines;
mod loadtest;
mod logs;
mod open;
mod printer;
mod ps;
mod registry;
mod release;
mod run;
mod running;
mod serving;
mod shell;
mod simulate;
mod top;
mod up;

/// A request makes a few dozen small allocations, most of them freed on the same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    run::run().into()
}
