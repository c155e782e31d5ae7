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

    /// Returns whether code was imported while the request waited.
    #[must_use]
    pub const fn imports(self) -> bool {
        match self {
            Self::Spare | Self::Cold => true,
            Self::Warm | Self::Queued => false,
        }
    }

    /// Returns its colour in charts, as CSS writes it for light and dark pages.
    #[must_use]
    pub const fn colour(self) -> &'static str {
        match self {
            Self::Warm => "light-dark(#2a9d5c, #4cc585)",
            Self::Spare => "light-dark(#1787a0, #44bfd6)",
            Self::Cold => "light-dark(#d9532b, #ff7d5c)",
            Self::Queued => "light-dark(#7a52c7, #b394ff)",
        }
    }

    /// Returns the kind of a word. `None` if the word names no kind.
    #[must_use]
    pub fn of_word(word: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.word().as_bytes() == word)
    }
}
