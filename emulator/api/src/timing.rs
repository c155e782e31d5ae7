//! Where the time of a request went.

use std::time::Duration;

/// The reason of a cold start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cold {
    /// The function had no instance when the request arrived.
    First,
    /// The function had instances, but not enough of them.
    ScaleOut,
}

/// Where the time to a response's head went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Until the request's body was here; zero where it is not waited for.
    pub body: Duration,
    /// Waiting for an instance.
    pub queue: Duration,
    /// Creating and starting it.
    pub create: Duration,
    /// Until its wrapper answered.
    pub boot: Duration,
    /// Until its code was imported.
    pub import: Duration,
    /// In the handler, to the first byte.
    pub handler: Duration,
}

impl Cold {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::First, Self::ScaleOut];

    /// Its word, as in `x-fnlocal-cold`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::ScaleOut => "scale-out",
        }
    }
}
