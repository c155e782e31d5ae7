//! `fnlocal registry`: the project's registry on a port, until Ctrl-C.

mod args;

pub use args::{EXAMPLES, RegistryArgs};

use std::net::{Ipv4Addr, SocketAddr};

use fnlocal_api::Exit;
use fnlocal_emulator::registry;

use crate::error::CommandResult;
use crate::serving::interrupted;
use crate::terminal;
use crate::wait;

/// Runs until Ctrl-C.
pub fn run(args: &RegistryArgs) -> CommandResult {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    wait::until_done(registry::run(
        &args.folder,
        address,
        |address| announce(address, args.json),
        interrupted(),
    ))??;
    Ok(Exit::Ok)
}

fn announce(address: SocketAddr, json: bool) {
    if json {
        let line = serde_json::json!({"event": "ready", "registry": address.to_string()});
        terminal::print_json(&line);
    } else {
        terminal::eprintln!("registry at {address}, until Ctrl-C");
    }
}
