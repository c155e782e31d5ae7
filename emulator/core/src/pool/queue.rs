//! Requests that wait, the oldest first.

use std::collections::VecDeque;

use crate::ids::RequestId;

/// The queue of one function. Its bound is kept by whoever admits: `FunctionLimits::queue`.
#[derive(Debug, Default)]
pub(crate) struct RequestQueue(VecDeque<RequestId>);

impl RequestQueue {
    /// Behind everybody.
    pub(crate) fn push_back(&mut self, request: RequestId) {
        self.0.push_back(request);
    }

    /// In front of everybody: it has been tried once.
    pub(crate) fn push_front(&mut self, request: RequestId) {
        self.0.push_front(request);
    }

    /// The oldest, taken out.
    pub(crate) fn pop_front(&mut self) -> Option<RequestId> {
        self.0.pop_front()
    }

    /// The newest, taken out.
    pub(crate) fn pop_back(&mut self) -> Option<RequestId> {
        self.0.pop_back()
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<RequestId> {
        self.0.front().copied()
    }

    /// Takes out one that gave up. Deadlines take from the front, so that is tried first.
    pub(crate) fn remove(&mut self, request: RequestId) {
        if let Some(at) = self.0.iter().position(|&other| other == request) {
            self.0.remove(at);
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that wait, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RequestId> {
        self.0.iter().copied()
    }
}
