//! `fnlocal registry`: the project's registry on a port, until Ctrl-C.

use std::net::{Ipv4Addr, SocketAddr};

use fnlocal_emulator::registry::{self, RegistryError};

use crate::args::Registry;
use crate::exit::Exit;
use crate::run::fail;
use crate::serving::interrupted;
use crate::terminal;
use crate::wait;

/// Runs until Ctrl-C.
pub fn run(args: &Registry) -> Exit {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let outcome = wait::until_done(registry::run(
        &args.folder,
        address,
        |address| announce(address, args.json),
        interrupted(),
    ));
    match outcome {
        Ok(Ok(())) => Exit::Ok,
        Err(exit) => exit,
        Ok(Err(error)) => fail(exit_of(&error), &error, error.hint().as_deref()),
    }
}

fn announce(address: SocketAddr, json: bool) {
    if json {
        let line = serde_json::json!({"event": "ready", "registry": address.to_string()});
        terminal::print_json(&line);
    } else {
        terminal::eprintln!("registry at {address}, until Ctrl-C");
    }
}

fn exit_of(error: &RegistryError) -> Exit {
    match error {
        RegistryError::Project(_) => Exit::Config,
        _ => Exit::Failed,
    }
}
