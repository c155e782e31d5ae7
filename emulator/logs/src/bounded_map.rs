//! The last of something, by key.

use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};

/// As many are known.
const RECENT: usize = 1000;

/// The last of something, by key.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    known: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Ord + Clone, V> Recent<K, V> {
    /// Puts a value in place of what was there.
    pub fn put(&mut self, key: K, value: V) {
        if self.known.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// The value of a key, if it was put lately.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.known.get(key)
    }
}
