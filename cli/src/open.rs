//! `fnlocal open`: the dashboard in the browser.
//!
//! The token travels behind the address's `#`, which browsers send to nobody.

use crate::args::Open;
use crate::exit::Exit;
use crate::run::fail;
use crate::running::find;
use crate::terminal;

/// Opens it, or prints where it is.
pub fn run(args: &Open) -> Exit {
    let running = match find(&args.folder) {
        Ok(running) => running,
        Err(exit) => return exit,
    };
    let plain = format!("{}/_fnlocal/", running.platform);
    let whole = format!("{plain}#token={}", running.token);
    if args.print {
        terminal::println!("{whole}");
        return Exit::Ok;
    }
    match webbrowser::open(&whole) {
        Ok(()) => {
            terminal::println!("{plain}");
            Exit::Ok
        }
        Err(error) => {
            let hint = "open the address that `fnlocal open --print` prints";
            fail(Exit::Failed, &error, Some(hint))
        }
    }
}
