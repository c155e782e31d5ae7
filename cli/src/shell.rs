//! `fnlocal completions` and `fnlocal man`: what is made of the arguments' own description.

use std::fs;

use clap::CommandFactory;

use crate::args::{Args, Completions, Man};
use crate::exit::Exit;
use crate::run::fail;
use crate::terminal;

/// Prints the script.
pub fn completions(args: &Completions) -> Exit {
    let mut command = Args::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "fnlocal", &mut script);
    terminal::print!("{}", String::from_utf8_lossy(&script));
    Exit::Ok
}

/// Writes the pages.
pub fn man(args: &Man) -> Exit {
    let written = fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.folder));
    match written {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let hint = format!("see whether {} can be written", args.folder.display());
            fail(Exit::Failed, &error, Some(&hint))
        }
    }
}
