//! How requests meet their instances.

use serde::{Deserialize, Serialize};

/// How a request met its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// Nothing: an instance was idle.
    Warm,
    /// A spare that imported the function's code.
    Spare,
    /// An instance that was created for it.
    Cold,
    /// A busy instance to become free.
    Queued,
}

impl StartKind {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Warm, Self::Spare, Self::Cold, Self::Queued];

    /// Returns the kind's word, as in `x-fnlocal-start`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Spare => "spare",
            Self::Cold => "cold",
            Self::Queued => "queued",
        }
    }

    /// Returns the kind of a word. `None` if the word names no kind.
    #[must_use]
    pub fn of_word(word: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.word().as_bytes() == word)
    }
}
