//! How requests ended, counted since the node began.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use fnlocal_core::StartKind;
use serde::{Deserialize, Serialize};

/// How a request ended: what it waited for, its status (0: none was sent), and what cut it short.
type Key = (Option<StartKind>, u16, Option<&'static str>);

/// Ended requests by function and by how they ended.
#[derive(Default)]
pub struct Counts(RefCell<BTreeMap<Arc<str>, BTreeMap<Key, u64>>>);

/// Requests of one function that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The function's name; none for paths no function answers.
    pub function: Option<Arc<str>>,
    /// What they waited for; none where no instance answered.
    pub start: Option<StartKind>,
    /// Their status; 0 where the client left before one was sent.
    pub status: u16,
    /// The platform's reason, where it answered or ended them.
    pub problem: Option<String>,
    /// How many.
    pub requests: u64,
}

impl Counts {
    /// One more request ended.
    pub fn add(
        &self,
        function: Option<&Arc<str>>,
        start: Option<StartKind>,
        status: u16,
        problem: Option<&'static str>,
    ) {
        let mut counts = self.0.borrow_mut();
        let name = function.map_or("", |name| name);
        let key = (start, status, problem);
        if let Some(known) = counts.get_mut(name) {
            *known.entry(key).or_default() += 1;
            return;
        }
        let name = function.map_or_else(|| Arc::from(""), Arc::clone);
        counts.insert(name, BTreeMap::from([(key, 1)]));
    }

    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Count> {
        let counts = self.0.borrow();
        let each = counts.iter().flat_map(|(name, ends)| {
            ends.iter()
                .map(move |(key, requests)| (name, key, requests))
        });
        each.map(|(name, &(start, status, problem), &requests)| Count {
            function: (!name.is_empty()).then(|| Arc::clone(name)),
            start,
            status,
            problem: problem.map(str::to_owned),
            requests,
        })
        .collect()
    }
}
