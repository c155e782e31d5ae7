//! One function's order of the nodes, and how its requests are spread over them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::hash::mix;

/// A node's place in the order: the greatest weight comes first, and no two have the same.
type SpreadRank = (u64, usize);

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Hand {
    /// The weight's complement, so that the order is ascending.
    rank: u64,
    /// Requests in hand.
    taken: u32,
    /// Requests its ready instances take at once.
    ready: u32,
    /// Requests it takes before the next node does.
    share: u32,
    member: bool,
}

/// One function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spread {
    key: u64,
    /// By slot.
    hands: Vec<Hand>,
    order: Vec<SpreadRank>,
    /// Nodes with an idle instance.
    warm: BTreeSet<SpreadRank>,
    /// Nodes with less than their share.
    room: BTreeSet<SpreadRank>,
    taken: u64,
    shares: u64,
}

impl Spread {
    /// A function over no nodes.
    pub(super) fn new(key: u64) -> Self {
        Self {
            key,
            hands: Vec::new(),
            order: Vec::new(),
            warm: BTreeSet::new(),
            room: BTreeSet::new(),
            taken: 0,
            shares: 0,
        }
    }

    /// A node takes part.
    pub(super) fn join(&mut self, slot: usize, node_key: u64, share: u32) {
        if self.hands.len() <= slot {
            self.hands.resize(slot + 1, Hand::default());
        }
        let rank = !mix(self.key ^ node_key);
        self.hands[slot] = Hand {
            rank,
            taken: 0,
            ready: 0,
            share,
            member: true,
        };
        self.shares += u64::from(share);
        let place = (rank, slot);
        if let Err(at) = self.order.binary_search(&place) {
            self.order.insert(at, place);
        }
        self.room.insert(place);
    }

    /// A node takes part no more.
    pub(super) fn leave(&mut self, slot: usize) {
        let Some(hand) = self.hands.get_mut(slot).filter(|hand| hand.member) else {
            return;
        };
        let place = (hand.rank, slot);
        self.taken -= u64::from(hand.taken);
        self.shares -= u64::from(hand.share);
        *hand = Hand::default();
        if let Ok(at) = self.order.binary_search(&place) {
            self.order.remove(at);
        }
        self.warm.remove(&place);
        self.room.remove(&place);
    }

    /// Requests a node has in hand.
    pub(super) fn in_hand(&self, slot: usize) -> u32 {
        self.hands.get(slot).map_or(0, |hand| hand.taken)
    }

    /// Adds to the count of requests.
    pub(super) fn count(&mut self, slot: usize, more: i64) {
        let Some(hand) = self.hands.get_mut(slot) else {
            return;
        };
        let taken = u64::from(hand.taken).saturating_add_signed(more);
        hand.taken = u32::try_from(taken).unwrap_or(u32::MAX);
        self.taken = self.taken.saturating_add_signed(more);
        self.sort_in(slot);
    }

    /// Sets the number of requests that a node's ready instances serve at once.
    pub(super) fn set_ready(&mut self, slot: usize, ready: u32) {
        if let Some(hand) = self.hands.get_mut(slot) {
            hand.ready = ready;
            self.sort_in(slot);
        }
    }

    fn sort_in(&mut self, slot: usize) {
        let hand = self.hands[slot];
        let place = (hand.rank, slot);
        let lists = [
            (hand.taken < hand.ready, &mut self.warm),
            (hand.taken < hand.share, &mut self.room),
        ];
        for (belongs, list) in lists {
            if belongs && hand.member {
                list.insert(place);
            } else {
                list.remove(&place);
            }
        }
    }

    /// Over how many nodes the present demand and one request more are spread: as many of the
    /// order as have shares enough.
    pub(super) fn width(&self) -> usize {
        let nodes = self.order.len().max(1);
        let mean = (self.shares / nodes as u64).max(1);
        let wanted = (self.taken + 1).div_ceil(mean);
        usize::try_from(wanted).unwrap_or(nodes).clamp(1, nodes)
    }

    /// Returns whether a node is one of those.
    pub(super) fn serves(&self, slot: usize) -> bool {
        let hand = self.hands.get(slot).filter(|hand| hand.member);
        let last = self.order.get(self.width() - 1);
        hand.zip(last)
            .is_some_and(|(hand, &last)| (hand.rank, slot) <= last)
    }

    /// Nodes with an idle instance, in order.
    pub(super) fn warm(&self) -> impl Iterator<Item = usize> {
        self.warm.iter().map(|&(_, slot)| slot)
    }

    /// Nodes with less than their share, in order.
    pub(super) fn room(&self) -> impl Iterator<Item = usize> {
        self.room.iter().map(|&(_, slot)| slot)
    }

    /// All nodes, in order.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        self.order.iter().map(|&(_, slot)| slot)
    }
}
