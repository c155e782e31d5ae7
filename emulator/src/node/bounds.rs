//! Bounds of what a peer says of itself: a peer may be wrong, or be played by someone who has the
//! peers' key, and whatever it says is kept and computed with.

use std::collections::BTreeMap;

use super::membership::PeerStatus;
use fnlocal_project::MAX_FUNCTION_NAME;

/// The maximum number of names in each of a peer's lists.
pub(super) const MAX_NAMES: usize = 10_000;
/// The maximum number of functions that peers' reports may name, as long as the node runs.
pub(super) const MAX_KNOWN: usize = 100_000;
/// The maximum number of requests at once that a peer is believed to bear, to have or to be ready
/// for.
const MAX_REQUESTS: u32 = 1_000_000;

impl PeerStatus {
    /// The same within bounds: numbers are cut, names beyond the maximum number or longer than a
    /// function's name are left out.
    pub(crate) fn bounded(mut self) -> Self {
        self.bears = self.bears.clamp(1, MAX_REQUESTS);
        keep_first(&mut self.functions);
        for standing in self.functions.values_mut() {
            standing.in_hand = standing.in_hand.min(MAX_REQUESTS);
            standing.slots = standing.slots.min(MAX_REQUESTS);
        }
        keep_first(&mut self.duties.looked);
        let claims = std::mem::take(&mut self.duties.claims).into_iter();
        self.duties.claims = claims
            .filter(|name| name.len() <= MAX_FUNCTION_NAME)
            .take(MAX_NAMES)
            .collect();
        self
    }
}

fn keep_first<T>(names: &mut BTreeMap<String, T>) {
    let mut left = MAX_NAMES;
    names.retain(|name, _| {
        let keeps = left > 0 && name.len() <= MAX_FUNCTION_NAME;
        left -= usize::from(keeps);
        keeps
    });
}

#[cfg(test)]
mod tests {
    use fnlocal_core::FunctionStanding;

    use super::*;
    use crate::node::membership::PeerTable;
    use crate::node::ownership::Duties;

    #[test]
    fn a_peers_status_is_limited_to_its_bounds() {
        let names = || (0..MAX_NAMES + 500).map(|number| format!("f{number}"));
        let long = "x".repeat(MAX_FUNCTION_NAME + 1);
        let standing = FunctionStanding {
            in_hand: u32::MAX,
            slots: u32::MAX,
        };
        let said = PeerStatus {
            node: "i-2".to_owned(),
            open: true,
            bears: u32::MAX,
            functions: names()
                .chain([long.clone()])
                .map(|name| (name, standing))
                .collect(),
            duties: Duties {
                claims: names().chain([long.clone()]).collect(),
                looked: names()
                    .chain([long.clone()])
                    .map(|name| (name, 7))
                    .collect(),
            },
        };
        let bounded = said.bounded();
        assert_eq!(bounded.bears, MAX_REQUESTS);
        assert_eq!(bounded.functions.len(), MAX_NAMES);
        assert!(!bounded.functions.contains_key(&long));
        let most = FunctionStanding {
            in_hand: MAX_REQUESTS,
            slots: MAX_REQUESTS,
        };
        assert!(bounded.functions.values().all(|one| *one == most));
        assert_eq!(bounded.duties.claims.len(), MAX_NAMES);
        assert_eq!(bounded.duties.looked.len(), MAX_NAMES);
        let none = PeerStatus {
            bears: 0,
            ..bounded
        };
        assert_eq!(none.bounded().bears, 1);
    }

    #[test]
    fn the_number_of_function_names_known_from_peers_is_bounded() {
        let company = PeerTable::new("i-1", "0f").unwrap();
        let standing = FunctionStanding::default();
        for round in 0..=MAX_KNOWN / MAX_NAMES {
            let names = (0..MAX_NAMES).map(|number| format!("f{round}-{number}"));
            let said = PeerStatus {
                node: "i-2".to_owned(),
                open: true,
                bears: 8,
                functions: names.map(|name| (name, standing)).collect(),
                duties: Duties::default(),
            };
            company.heard(([127, 0, 0, 1], 1).into(), said);
        }
        assert_eq!(company.known(), MAX_KNOWN);
        company.stand([("own".to_owned(), standing)].into());
        assert_eq!(company.known(), MAX_KNOWN + 1, "this node's own have room");
    }

    #[test]
    fn a_peers_status_within_its_bounds_is_unchanged() {
        let standing = FunctionStanding {
            in_hand: 3,
            slots: 40,
        };
        let said = PeerStatus {
            node: "i-2".to_owned(),
            open: true,
            bears: 768,
            functions: [("bid".to_owned(), standing)].into(),
            duties: Duties {
                claims: ["mail".to_owned()].into(),
                looked: [("mail".to_owned(), 1_700_000_000_000)].into(),
            },
        };
        assert_eq!(said.clone().bounded(), said);
    }
}
