//! An effect to perform. The driver and the simulation carry these out and decide nothing.

use fnlocal_api::{RefuseReason, StartKind};
use serde::{Deserialize, Serialize};

use crate::ids::{CodeHash, FunctionId, InstanceId, PackageId, RequestId};
use crate::time::Duration;

/// One thing to do, asked for by [`crate::Node::handle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Create and boot an instance of a package. Answer: booted or start failed.
    Start {
        /// Its name from here on.
        instance: InstanceId,
        /// Whose image.
        package: PackageId,
        /// Memory it may use, in MiB.
        memory_mib: u32,
    },
    /// Import all of a package's code and describe it. Answer: primed or died.
    Prime {
        /// The instance.
        instance: InstanceId,
        /// The code.
        code: CodeHash,
    },
    /// Bind an instance to a function. Answer: assigned, assign failed or died.
    Assign {
        /// The instance.
        instance: InstanceId,
        /// To which function.
        function: FunctionId,
        /// In which code.
        code: CodeHash,
    },
    /// Send a request to an instance that is ready for it.
    Dispatch {
        /// The request.
        request: RequestId,
        /// To which instance.
        instance: InstanceId,
        /// The start kind.
        start: StartKind,
    },
    /// Take the processor away from an idle instance. Answer: paused or died.
    Pause {
        /// The instance.
        instance: InstanceId,
    },
    /// Give the processor back. Answer: resumed or died.
    Resume {
        /// The instance.
        instance: InstanceId,
    },
    /// End an instance and remove it, whatever it is doing: asked for at most once, and never
    /// before it has booted unless its start was never answered. Answer: stopped.
    Stop {
        /// The instance.
        instance: InstanceId,
        /// The reason for which the instance is stopped.
        reason: StopReason,
        /// How long it may take to end by itself; zero kills it.
        grace: Duration,
    },
    /// Report that a stop was never answered. The node counts on nothing of the instance any more,
    /// although something of it may remain. Answer: none.
    Abandon {
        /// The instance.
        instance: InstanceId,
    },
    /// Answer a request that no instance will.
    Refuse {
        /// The request.
        request: RequestId,
        /// The reason that the client is given.
        reason: RefuseReason,
        /// When trying again makes sense.
        retry_after: Option<Duration>,
    },
    /// A function is now served from this code. Not told of code that cannot be imported.
    Switched {
        /// The function.
        function: FunctionId,
        /// Its code now.
        code: CodeHash,
    },
    /// Draining is over: no request and no instance is left.
    Drained,
}

impl Effect {
    /// The instance that must answer this effect. `None` if no answer is awaited, or if it is the
    /// request's.
    pub(crate) fn awaits(&self) -> Option<InstanceId> {
        match *self {
            Self::Start { instance, .. }
            | Self::Prime { instance, .. }
            | Self::Assign { instance, .. }
            | Self::Pause { instance }
            | Self::Resume { instance }
            | Self::Stop { instance, .. } => Some(instance),
            Self::Abandon { .. }
            | Self::Dispatch { .. }
            | Self::Refuse { .. }
            | Self::Switched { .. }
            | Self::Drained => None,
        }
    }
}

/// Why an instance is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Unused for long, or wanted away so that the next start is a cold one.
    Idle,
    /// Its code is not the current code.
    OldCode,
    /// Its function or package was removed.
    Removed,
    /// Its memory is needed elsewhere.
    Memory,
    /// A request ran over its timeout.
    Timeout,
    /// Its code could not be imported, or the exchange with it broke.
    Broken,
    /// The node is shutting down.
    Drain,
    /// The instance did not answer a call.
    Unanswered,
}
