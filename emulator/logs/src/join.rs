//! A request's two halves: the gateway knows its answer, the wrapper what it took.
//!
//! Either may come first, tens of milliseconds apart, and the wrapper's may never come.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fnlocal_core::InstanceId;

use super::RequestRecord;
use super::document::WrapperMeasurement;

/// How long the wrapper's half is waited for. A handler may work on after its answer; what it
/// takes then is not known in time.
const WRAPPER_HALF_WAIT: Duration = Duration::from_secs(2);
/// The maximum number of requests that wait for their half: a second's worth at the highest rate.
const WAITING: usize = 50_000;
/// Bytes of them.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// A request's name has no more bytes; a longer one is none of ours.
const MAX_ID_BYTES: usize = 64;
/// Wrappers' halves that came first. Of clients who read slowly, so not many.
const EARLY: usize = 4096;

/// A request, and what its wrapper measured, if it told.
pub(super) type WholeRequest = (Arc<RequestRecord>, Option<WrapperMeasurement>);

/// Requests that wait for their other half.
#[derive(Default)]
pub(super) struct Together {
    waiting: BTreeMap<Arc<str>, Arc<RequestRecord>>,
    /// Bytes of those.
    bytes: usize,
    due: VecDeque<(Instant, Arc<str>)>,
    early: BTreeMap<Arc<str>, WrapperMeasurement>,
    oldest: VecDeque<Arc<str>>,
}

impl Together {
    /// A request ended; back if nothing more will come of it.
    pub fn ended(&mut self, now: Instant, request: &Arc<RequestRecord>) -> Option<WholeRequest> {
        let request = Arc::clone(request);
        if let Some(measured) = self.early.remove(&*request.id) {
            return Some((request, Some(measured)));
        }
        // A request that was cut short or refused by the platform gets no report from a wrapper.
        if request.start.is_none() || request.problem.is_some() {
            return Some((request, None));
        }
        self.due
            .push_back((now + WRAPPER_HALF_WAIT, Arc::clone(&request.id)));
        self.bytes += request.bytes();
        let before = self.waiting.insert(Arc::clone(&request.id), request);
        self.bytes -= before.map_or(0, |before| before.bytes());
        None
    }

    /// The wrapper told what a request took; both halves if the other is here.
    pub fn measured(
        &mut self,
        id: &Arc<str>,
        measured: WrapperMeasurement,
    ) -> Option<WholeRequest> {
        if let Some(request) = self.remove(id) {
            return Some((request, Some(measured)));
        }
        if id.len() > MAX_ID_BYTES {
            return None;
        }
        if self.oldest.len() >= EARLY
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.early.remove(&oldest);
        }
        self.oldest.push_back(Arc::clone(id));
        self.early.insert(Arc::clone(id), measured);
        None
    }

    /// Requests of an instance that will tell nothing any more.
    pub fn died(&mut self, node: &str, instance: InstanceId) -> Vec<Arc<RequestRecord>> {
        let of_it = |request: &RequestRecord| {
            let served = request.served.as_ref();
            &*request.node == node && served.is_some_and(|served| served.instance == instance)
        };
        let ids = self.waiting.iter().filter(|(_, request)| of_it(request));
        let ids: Vec<Arc<str>> = ids.map(|(id, _)| Arc::clone(id)).collect();
        ids.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// The next request that has waited long enough.
    pub fn overdue(&mut self, now: Instant) -> Option<Arc<RequestRecord>> {
        while let Some((due, id)) = self.due.front() {
            let few = self.waiting.len() <= WAITING && self.bytes <= MAX_WAITING_BYTES;
            if *due > now && few && self.waiting.contains_key(id) {
                return None;
            }
            let (_, id) = self.due.pop_front()?;
            if let Some(request) = self.remove(&id) {
                return Some(request);
            }
        }
        None
    }

    fn remove(&mut self, id: &str) -> Option<Arc<RequestRecord>> {
        let request = self.waiting.remove(id)?;
        self.bytes -= request.bytes();
        Some(request)
    }

    /// When the next will have.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.front().map(|(due, _)| *due)
    }

    /// All that still wait.
    pub fn rest(&mut self) -> Vec<Arc<RequestRecord>> {
        self.due.clear();
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}
