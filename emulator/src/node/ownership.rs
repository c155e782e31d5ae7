//! The choice of the node that owns a schedule, or a source that sends each event to all listeners.
//!
//! Of the nodes that answer and have the function the first in rendezvous order owns it, and says
//! so. A new owner waits until the old one has heard of it and lets go, a second later, and then
//! goes on from where the old one was. So while nodes come and go by the rules nothing is done
//! twice. A node that is busy may be silent for a moment, so only one that stays silent claims
//! nothing: what it did in its last second may be done again, and if it only cannot be reached it
//! goes on beside its successor. That is at least once, with a consensus among the nodes left out.

use std::collections::{BTreeMap, BTreeSet};

use fnlocal_core::routing::{key, mix};
use fnlocal_triggers::scheduler::Owned;
use serde::{Deserialize, Serialize};

use super::bounds::MAX_KNOWN;

/// Questions a node leaves unanswered, one a second, until others do what it claims. Requests are
/// sent elsewhere after the first: those can be repeated.
const MAX_MISSED_HEARTBEATS: u32 = 5;

/// A node's report on its ownership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Duties {
    /// Functions for which it does it.
    pub claims: BTreeSet<String>,
    /// Up to when it has fired each schedule, in milliseconds since 1970.
    pub looked: BTreeMap<String, u64>,
}

/// The nodes, as far as this one knows.
pub(super) struct Ownership {
    own: String,
    /// This node takes part.
    open: bool,
    others: BTreeMap<String, KnownOwner>,
    /// Up to when whichever node has fired each schedule.
    looked: BTreeMap<String, u64>,
    /// The nodes there are; none before this one was told of any.
    names: Option<BTreeSet<String>>,
    /// Those that have neither answered nor failed to since this node serves.
    unheard: BTreeSet<String>,
}

struct KnownOwner {
    functions: BTreeSet<String>,
    claims: BTreeSet<String>,
    /// Questions in a row that it left unanswered.
    missed: u32,
}

impl Ownership {
    pub fn new(own: &str) -> Self {
        Self {
            own: own.to_owned(),
            open: true,
            others: BTreeMap::new(),
            looked: BTreeMap::new(),
            names: None,
            unheard: BTreeSet::new(),
        }
    }

    /// These are all the nodes there are.
    pub fn told_of<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let others = names.filter(|name| *name != self.own);
        let others: BTreeSet<String> = others.map(str::to_owned).collect();
        if self.names.is_none() {
            self.unheard.clone_from(&others);
        }
        self.names = Some(others);
    }

    /// This node begins to serve. Until all others have been asked from now on it does nothing that
    /// one of them may be doing; meanwhile it claims, so that of two that begin at once, whichever
    /// asks later knows.
    pub fn begins(&mut self) {
        self.unheard = self.names.clone().unwrap_or_default();
    }

    /// Another node has said what it does.
    pub fn heard(&mut self, name: &str, functions: BTreeSet<String>, duties: Duties) {
        self.asked(name);
        self.learn(duties.looked);
        let claims = duties.claims;
        let other = KnownOwner {
            functions,
            claims,
            missed: 0,
        };
        self.others.insert(name.to_owned(), other);
    }

    /// Notes that another node left a question unanswered. Returns whether its ownership still
    /// holds.
    pub fn silent(&mut self, name: &str) -> bool {
        self.asked(name);
        let Some(other) = self.others.get_mut(name) else {
            return false;
        };
        other.missed += 1;
        let gone = other.missed >= MAX_MISSED_HEARTBEATS;
        if gone {
            self.others.remove(name);
        }
        !gone
    }

    /// Notes that another node accepts nothing more: it ends, or has not begun. One that ends may
    /// have something to finish, or not know of it yet, and claims that. Returns whether it does.
    pub fn shut(&mut self, name: &str, duties: Duties) -> bool {
        self.asked(name);
        self.learn(duties.looked);
        let ends = self.others.remove(name).is_some();
        let claims = ends && !duties.claims.is_empty();
        if claims {
            let other = KnownOwner {
                functions: BTreeSet::new(),
                claims: duties.claims,
                missed: 0,
            };
            self.others.insert(name.to_owned(), other);
        }
        claims
    }

    /// This node ends.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// Returns whether this node owns a function's schedule, and how far others got.
    pub fn owns(&self, function: &str) -> Option<Owned> {
        let settled = self.names.is_some() && self.unheard.is_empty();
        let since = self.looked.get(function).copied();
        (settled && self.claims(function)).then_some(Owned { since })
    }

    /// Returns whether it does, or will once it has asked all others.
    pub fn claims(&self, function: &str) -> bool {
        let rank = rank(function, &self.own);
        let first = |(name, other): (&String, &KnownOwner)| {
            other.functions.contains(function) && self::rank(function, name) > rank
        };
        let claimed = |other: &KnownOwner| other.claims.contains(function);
        self.open && !self.others.iter().any(first) && !self.others.values().any(claimed)
    }

    /// The other nodes in a function's order, those that have it first.
    pub fn order(&self, function: &str) -> Vec<String> {
        let mut order: Vec<_> = self.others.iter().collect();
        order.sort_by_key(|(name, other)| {
            let has = other.functions.contains(function);
            std::cmp::Reverse((has, rank(function, name)))
        });
        order.into_iter().map(|(name, _)| name.clone()).collect()
    }

    fn learn(&mut self, looked: BTreeMap<String, u64>) {
        for (function, until) in looked {
            if self.looked.len() >= MAX_KNOWN && !self.looked.contains_key(&function) {
                continue;
            }
            let known = self.looked.entry(function).or_default();
            *known = until.max(*known);
        }
    }

    fn asked(&mut self, name: &str) {
        self.unheard.remove(name);
    }
}

/// A node's place in a function's rendezvous order: the greatest is first.
fn rank(function: &str, node: &str) -> u64 {
    mix(key(function) ^ key(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["i-1", "i-2", "i-3"];

    fn all(function: &str) -> BTreeSet<String> {
        BTreeSet::from([function.to_owned()])
    }

    /// Returns a node's report.
    fn says(roster: &Ownership, function: &str, looked: Option<u64>) -> Duties {
        let claims = roster.claims(function).then(|| function.to_owned());
        let looked = looked.map(|until| (function.to_owned(), until));
        Duties {
            claims: claims.into_iter().collect(),
            looked: looked.into_iter().collect(),
        }
    }

    /// Each asks each other, in turn.
    fn round(rosters: &mut [Ownership], function: &str) {
        for asking in 0..rosters.len() {
            for asked in 0..rosters.len() {
                if asking != asked {
                    let duties = says(&rosters[asked], function, None);
                    let name = rosters[asked].own.clone();
                    rosters[asking].heard(&name, all(function), duties);
                }
            }
        }
    }

    fn owners(rosters: &[Ownership], function: &str) -> Vec<String> {
        let owners = rosters.iter().filter(|one| one.owns(function).is_some());
        owners.map(|one| one.own.clone()).collect()
    }

    fn rosters(names: &[&str]) -> Vec<Ownership> {
        let roster = |name: &&str| {
            let mut roster = Ownership::new(name);
            roster.told_of(names.iter().copied());
            roster
        };
        names.iter().map(roster).collect()
    }

    #[test]
    fn exactly_one_of_several_nodes_owns_each_function() {
        for number in 0..50 {
            let function = format!("f{number}");
            let mut rosters = rosters(&NAMES);
            assert!(
                owners(&rosters, &function).is_empty(),
                "nobody has been asked"
            );
            round(&mut rosters, &function);
            round(&mut rosters, &function);
            assert_eq!(owners(&rosters, &function).len(), 1, "{function}");
        }
    }

    #[test]
    fn a_joining_node_takes_over_once_the_owner_lets_go_and_continues_from_its_last_run() {
        let newest = |function: &str| {
            let first = NAMES.iter().max_by_key(|name| rank(function, name));
            first == Some(&"i-3")
        };
        let mut names = (0..100).map(|number| format!("f{number}"));
        let function = names.find(|name| newest(name)).unwrap();
        let mut rosters = rosters(&NAMES[..2]);
        round(&mut rosters, &function);
        round(&mut rosters, &function);
        let [owner] = owners(&rosters, &function).try_into().unwrap();
        let old = usize::from(owner == "i-2");
        let mut new = Ownership::new("i-3");
        new.told_of(NAMES.into_iter());
        for other in &rosters {
            let looked = (other.own == owner).then_some(1200);
            new.heard(&other.own, all(&function), says(other, &function, looked));
        }
        assert_eq!(new.owns(&function), None, "another claims it still");
        rosters[old].heard("i-3", all(&function), says(&new, &function, None));
        assert_eq!(rosters[old].owns(&function), None, "it lets go");
        let said = says(&rosters[old], &function, Some(1300));
        new.heard(&owner, all(&function), said);
        assert_eq!(new.owns(&function), Some(Owned { since: Some(1300) }));
    }

    #[test]
    fn only_one_of_two_nodes_that_start_at_once_becomes_the_owner() {
        let [mut a, mut b, _] = rosters(&NAMES).try_into().ok().unwrap();
        for (name, one) in [("i-2", &mut a), ("i-1", &mut b)] {
            // Neither serves yet.
            one.silent(name);
            one.silent("i-3");
        }
        a.begins();
        a.silent("i-2");
        b.begins();
        assert_eq!(a.owns("job"), None, "it has not asked all");
        b.heard("i-1", all("job"), says(&a, "job", None));
        b.silent("i-3");
        a.silent("i-3");
        assert!(a.owns("job").is_some());
        assert_eq!(b.owns("job"), None);
    }

    #[test]
    fn functions_of_a_silent_or_ended_node_are_taken_over_by_another() {
        let mut rosters = rosters(&NAMES);
        for _ in 0..2 {
            round(&mut rosters, "job");
        }
        let [owner] = owners(&rosters, "job").try_into().unwrap();
        rosters.retain(|one| one.own != owner);
        for silent in 1..=MAX_MISSED_HEARTBEATS {
            assert!(owners(&rosters, "job").is_empty(), "silent {silent} times");
            for one in &mut rosters {
                one.silent(&owner);
            }
        }
        assert_eq!(owners(&rosters, "job").len(), 1);
        rosters[0].close();
        let ended = rosters[0].own.clone();
        rosters[1].shut(&ended, Duties::default());
        assert_eq!(owners(&rosters, "job"), [rosters[1].own.clone()]);
    }

    #[test]
    fn a_draining_node_keeps_its_claims_until_it_has_finished() {
        let mut rosters = rosters(&NAMES[..2]);
        round(&mut rosters, "job");
        round(&mut rosters, "job");
        let [owner] = owners(&rosters, "job").try_into().unwrap();
        rosters.retain(|one| one.own != owner);
        let [mut heir] = rosters.try_into().ok().unwrap();
        let says = |claims: BTreeSet<String>, until| Duties {
            claims,
            looked: BTreeMap::from([("job".to_owned(), until)]),
        };
        heir.shut(&owner, says(all("job"), 1000));
        assert_eq!(heir.owns("job"), None, "it still fires");
        heir.shut(&owner, says(BTreeSet::new(), 3000));
        assert_eq!(heir.owns("job"), Some(Owned { since: Some(3000) }));
    }

    #[test]
    fn claims_of_a_node_that_has_not_started_serving_are_ignored() {
        let mut roster = Ownership::new("i-1");
        roster.told_of(NAMES.into_iter());
        for name in &NAMES[1..] {
            let claims = all("job");
            let looked = BTreeMap::new();
            roster.shut(name, Duties { claims, looked });
        }
        assert!(roster.owns("job").is_some());
    }

    #[test]
    fn a_node_without_the_function_does_not_own_it() {
        let mut roster = Ownership::new("i-1");
        roster.told_of(NAMES.into_iter());
        for name in &NAMES[1..] {
            roster.heard(name, all("other"), Duties::default());
        }
        assert_eq!(roster.owns("job"), Some(Owned { since: None }));
    }
}
