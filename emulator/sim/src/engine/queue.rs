//! The events on virtual time, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fnlocal_core::{CodeHash, InstanceId, NodeId};

use super::jobs::Pending;
use super::requests::RequestTicket;

/// Work that takes its time on a node and then becomes an event of its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PendingWork {
    /// A response.
    Respond(RequestTicket),
    Boot(InstanceId),
    Prime(InstanceId, CodeHash),
    Assign(InstanceId),
    Pause(InstanceId),
    Resume(InstanceId),
    Stop(InstanceId),
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A request reaches the node the balancer chose.
    Enters(RequestTicket),
    /// A forwarded request reaches its node.
    Hops(RequestTicket),
    /// A node's processor may have finished something.
    Processor(NodeId),
    /// A job's wait is over.
    Done(NodeId, PendingWork),
    /// A node's core has a deadline.
    Deadline(NodeId),
    /// A machine has booted.
    MachineUp(NodeId),
    /// A health check was answered.
    Checked(NodeId),
    /// The given number of nodes end.
    Dies(u32),
    /// The other nodes find that one is gone.
    Missed(NodeId),
    /// A job comes, by the place in the scenario of what makes it.
    JobComes(usize),
    /// A job that failed comes again.
    JobAgain(Pending),
}

impl What {
    /// In a word, for the budget.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Enters(_) | Self::Hops(_) => "requests on their way",
            Self::Processor(_) => "processors at work",
            Self::Done(_, PendingWork::Respond(_)) => "responses",
            Self::Done(..) => "instances that start and stop",
            Self::Deadline(_) => "deadlines",
            Self::JobComes(_) | Self::JobAgain(_) => "jobs that come",
            Self::MachineUp(_) | Self::Checked(_) | Self::Dies(_) | Self::Missed(_) => "nodes",
        }
    }
}

/// The future. Of two things at one time the one said first comes first.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<(u64, u64, What)>>,
    said: u64,
}

impl EventQueue {
    /// Something happens at a time, in microseconds.
    pub(super) fn at(&mut self, time: u64, what: What) {
        self.said += 1;
        self.heap.push(Reverse((time, self.said, what)));
    }

    /// When the next thing happens.
    pub(super) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((time, ..))| *time)
    }

    /// The next thing.
    pub(super) fn pop(&mut self) -> Option<What> {
        self.heap.pop().map(|Reverse((.., what))| what)
    }
}
