//! The `fnlocal` command: arguments, composition, printing. It decides nothing.

mod args;
mod dev;
mod exit;
mod json;
mod lines;
mod printer;
mod run;

fn main() -> std::process::ExitCode {
    run::run().into()
}
