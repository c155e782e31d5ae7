//! A bound on how much is simulated, so that what does not end says why.

use std::collections::BTreeMap;

/// The simulation took more events than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the simulation did not end within {budget} events: at {seconds} s of virtual time {open} \
     requests are still under way; most events were {most}"
)]
pub struct Exhausted {
    /// Events it was allowed.
    pub budget: u64,
    /// Where it was, in whole seconds since the first request could come.
    pub seconds: u64,
    /// Requests that have not ended.
    pub open: u64,
    /// The most frequent event, in words.
    pub most: String,
}

fnlocal_api::user_error!(Exhausted {
    _ => "simulate less time or a lower rate, or raise `--events`";
});

/// Counts events by what they are.
#[derive(Debug)]
pub(crate) struct EventBudget {
    allowed: u64,
    used: u64,
    kinds: BTreeMap<&'static str, u64>,
}

impl EventBudget {
    pub(crate) fn new(allowed: u64) -> Self {
        Self {
            allowed,
            used: 0,
            kinds: BTreeMap::new(),
        }
    }

    /// Counts one; false when there was one too many. Kinds are counted near the end only, which
    /// is where what is endless shows.
    pub(crate) fn take(&mut self, kind: &'static str) -> bool {
        self.used += 1;
        if self.used * 10 > self.allowed * 9 {
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.used <= self.allowed
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn exhausted(&self, seconds: u64, open: u64) -> Exhausted {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|&(_, count)| std::cmp::Reverse(*count));
        let words = |(kind, count): (&&str, &u64)| format!("{kind} ({count})");
        let most = kinds.into_iter().take(3).map(words);
        Exhausted {
            budget: self.allowed,
            seconds,
            open,
            most: most.collect::<Vec<_>>().join(", "),
        }
    }
}
