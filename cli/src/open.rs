//! `fnlocal open`: the dashboard in the browser.
//!
//! The token travels behind the address's `#`, which browsers send to nobody. All users of this
//! machine can read a browser's command line, so the browser gets a file that leads to the address.

mod args;

pub use args::{EXAMPLES, OpenArgs};

use std::io;

use fnlocal_api::Exit;
use fnlocal_project::Running;

use crate::error::{CliError, CommandResult};
use crate::terminal;

/// Opens it, or prints where it is.
pub fn run(args: &OpenArgs) -> CommandResult {
    let (running, state) = Running::find_with_state(&args.folder)?;
    let plain = format!("{}/_fnlocal/", running.platform);
    let whole = format!("{plain}#token={}", running.token);
    if args.print {
        terminal::println!("{whole}");
        return Ok(Exit::Ok);
    }
    let page = Running::write_page(&state, &whole).and_then(|page| {
        let page = std::path::absolute(page)?;
        reqwest::Url::from_file_path(page).map_err(|()| io::ErrorKind::InvalidFilename.into())
    });
    let opened = page.and_then(|page| webbrowser::open(page.as_str()));
    opened.map_err(|error| {
        let hint = "open the address that `fnlocal open --print` prints";
        CliError::new(Exit::Failed, error, hint)
    })?;
    terminal::println!("{plain}");
    Ok(Exit::Ok)
}
