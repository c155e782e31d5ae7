//! How far a command has come, for those who interrupt it.

use std::sync::Mutex;

use fnlocal_api::Exit;

use crate::error::CliError;

/// How far a command has come.
#[derive(Debug, Default)]
pub struct Checkpoint(Mutex<Option<Reached>>);

#[derive(Debug)]
struct Reached {
    at: String,
    next: String,
}

impl Checkpoint {
    /// From here on something is changed. `at` says what; `next` is the command that goes on.
    pub fn reach(&self, at: String, next: &str) {
        let next = next.to_owned();
        *self.0.lock().expect("nobody panics with it") = Some(Reached { at, next });
    }

    /// Returns the error of an interrupted command.
    pub(super) fn interrupted(&self) -> CliError {
        match self.0.lock().expect("nobody panics with it").take() {
            None => CliError::new(Exit::Interrupted, "interrupted; nothing was changed", None),
            Some(Reached { at, next }) => CliError::new(
                Exit::Interrupted,
                format!("interrupted at {at}"),
                format!("completed steps stay; continue with `{next}`"),
            ),
        }
    }
}
