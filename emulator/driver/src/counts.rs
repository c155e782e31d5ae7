//! How requests ended and what they took, counted since the node began.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::StartKind;
use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use fnlocal_api::Timing;

/// How a request ended: what it waited for, its status (0: none was sent), and what cut it short.
type CountKey = (Option<StartKind>, u16, Option<&'static str>);

/// Ended requests by function and by how they ended.
#[derive(Default)]
pub struct Counts {
    functions: RefCell<BTreeMap<Arc<str>, OfFunction>>,
    starts: RefCell<Starts>,
}

#[derive(Default)]
struct OfFunction {
    ends: BTreeMap<CountKey, u64>,
    latency: BTreeMap<StartKind, Histogram>,
    spent: Spent,
}

/// The resources that a function's instances used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time on a processor, in invocations that ended.
    pub cpu: Duration,
    /// The most memory one of its processes has had, in bytes.
    pub memory: u64,
    /// Times its requests went to new code.
    pub reloads: u64,
    /// Reports of its instances that were ignored: too long, unreadable, or the end of a request that
    /// is not the instance's.
    pub ignored_reports: u64,
}

/// The time of starts, by phase.
#[derive(Clone, Debug, Default)]
pub struct Starts {
    /// Creating and starting.
    pub create: Histogram,
    /// Until the wrapper answered.
    pub boot: Histogram,
    /// Until the code was imported.
    pub import: Histogram,
}

/// Requests of one function that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The function's name; none for paths no function answers.
    pub function: Option<Arc<str>>,
    /// The start kind; `None` if no instance answered.
    pub start: Option<StartKind>,
    /// Their status; 0 where the client left before one was sent.
    pub status: u16,
    /// The platform's reason, where it answered or ended them.
    pub problem: Option<String>,
    /// How many.
    pub requests: u64,
}

/// Other counts of one function.
#[derive(Clone, Debug)]
pub struct FunctionCounts {
    /// Its name; empty for paths no function answers.
    pub function: Arc<str>,
    /// Time to the head of the answer, by what was waited for.
    pub latency: Vec<(StartKind, Histogram)>,
    /// The resources that its instances used.
    pub spent: Spent,
}

impl OfFunction {
    fn add_all(&mut self, other: &Self) {
        for (key, requests) in &other.ends {
            *self.ends.entry(*key).or_default() += requests;
        }
        for (start, histogram) in &other.latency {
            self.latency.entry(*start).or_default().add_all(histogram);
        }
        self.spent.cpu = self.spent.cpu.saturating_add(other.spent.cpu);
        self.spent.memory = self.spent.memory.max(other.spent.memory);
        self.spent.reloads += other.spent.reloads;
        self.spent.ignored_reports += other.spent.ignored_reports;
    }
}

impl Counts {
    /// One more request ended, `first_byte` after it came.
    pub fn add(
        &self,
        function: Option<&Arc<str>>,
        start: Option<StartKind>,
        (status, problem): (u16, Option<&'static str>),
        first_byte: Duration,
    ) {
        self.with(function, |counts| {
            *counts.ends.entry((start, status, problem)).or_default() += 1;
            if let Some(start) = start {
                counts.latency.entry(start).or_default().add(first_byte);
            }
        });
    }

    /// An invocation ended that used so much.
    pub fn spent(&self, function: Option<&Arc<str>>, cpu: Duration, memory: Option<u64>) {
        self.with(function, |counts| {
            counts.spent.cpu = counts.spent.cpu.saturating_add(cpu);
            counts.spent.memory = counts.spent.memory.max(memory.unwrap_or_default());
        });
    }

    /// Counts ignored reports of an instance.
    pub fn ignored(&self, function: Option<&Arc<str>>, reports: u64) {
        self.with(function, |counts| counts.spent.ignored_reports += reports);
    }

    /// A function's requests go to new code.
    pub fn reloaded(&self, function: &Arc<str>) {
        self.with(Some(function), |counts| counts.spent.reloads += 1);
    }

    /// An instance was given its function, which took so long in all.
    pub fn started(&self, timing: &Timing) {
        let mut starts = self.starts.borrow_mut();
        starts.create.add(timing.create);
        starts.boot.add(timing.boot);
        starts.import.add(timing.import);
    }

    /// Returns the time of starts.
    #[must_use]
    pub fn starts(&self) -> Starts {
        self.starts.borrow().clone()
    }

    /// Counts all that another has counted, too.
    pub fn add_all(&self, other: &Self) {
        for (name, theirs) in &*other.functions.borrow() {
            self.with(Some(name), |ours| ours.add_all(theirs));
        }
        let (mut ours, theirs) = (self.starts.borrow_mut(), other.starts.borrow());
        ours.create.add_all(&theirs.create);
        ours.boot.add_all(&theirs.boot);
        ours.import.add_all(&theirs.import);
    }

    fn with(&self, function: Option<&Arc<str>>, change: impl FnOnce(&mut OfFunction)) {
        let mut functions = self.functions.borrow_mut();
        let name = function.map_or("", |name| name);
        if let Some(known) = functions.get_mut(name) {
            return change(known);
        }
        let name = function.map_or_else(|| Arc::from(""), Arc::clone);
        change(functions.entry(name).or_default());
    }

    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Count> {
        let functions = self.functions.borrow();
        let each = functions.iter().flat_map(|(name, counts)| {
            let ends = counts.ends.iter();
            ends.map(move |(key, requests)| (name, key, requests))
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

    /// Time to the head of the answer, of all functions.
    #[must_use]
    pub fn latency(&self) -> Histogram {
        let mut all = Histogram::default();
        let functions = self.functions.borrow();
        for histogram in functions.values().flat_map(|one| one.latency.values()) {
            all.add_all(histogram);
        }
        all
    }

    /// Returns the other counts, by function.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionCounts> {
        let functions = self.functions.borrow();
        let of = |(name, counts): (&Arc<str>, &OfFunction)| FunctionCounts {
            function: Arc::clone(name),
            latency: counts.latency.clone().into_iter().collect(),
            spent: counts.spent,
        };
        functions.iter().map(of).collect()
    }
}
