//! The recorded events of a node and its effects, for a replay.
//!
//! A recording is a file of JSON lines: a [`Header`], then an [`RecordedEvent`] for every event, in their
//! order. Deliberately absent: the reading and writing, which need JSON and files.

use serde::{Deserialize, Serialize};

use crate::effect::Effect;
use crate::event::Event;
use crate::limits::NodeLimits;
use crate::node::Node;
use crate::time::Instant;

/// The version this code writes and reads. Raised whenever the same events may give other effects,
/// or are written in another way.
pub const VERSION: u32 = 2;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Of the recording: [`VERSION`].
    pub version: u32,
    /// The node's bounds when it began.
    pub limits: NodeLimits,
}

impl Header {
    /// The header of a recording that begins now.
    #[must_use]
    pub fn new(limits: NodeLimits) -> Self {
        Self {
            version: VERSION,
            limits,
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// When, in microseconds since the node started.
    pub at: Instant,
    /// The event.
    pub event: Event,
    /// The effects.
    pub effects: Vec<Effect>,
}

/// An entry that gave other effects this time.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayDifference {
    /// The entry as recorded.
    pub entry: RecordedEvent,
    /// The effects of this time.
    pub now: Vec<Effect>,
}

/// Tells a node what was recorded and compares what it says.
#[derive(Debug)]
pub struct Replay {
    node: Node,
    effects: Vec<Effect>,
}

impl Replay {
    /// From the start of a recording.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        Self {
            node: Node::new(header.limits.clone()),
            effects: Vec::new(),
        }
    }

    /// The next entry.
    ///
    /// # Errors
    /// The difference, if the node decides otherwise now. Later decisions are of no use then.
    pub fn step(&mut self, entry: RecordedEvent) -> Result<(), Box<ReplayDifference>> {
        self.effects.clear();
        self.node
            .handle(entry.at, entry.event.clone(), &mut self.effects);
        if self.effects == entry.effects {
            return Ok(());
        }
        let now = std::mem::take(&mut self.effects);
        Err(Box::new(ReplayDifference { entry, now }))
    }
}
