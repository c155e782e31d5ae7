//! An event. Failures are events like any other.

use serde::{Deserialize, Serialize};

use crate::ids::{CodeHash, FunctionId, InstanceId, PackageId, RequestId};
use crate::limits::{FunctionLimits, NodeLimits};

/// One thing that happened, told to [`crate::Node::handle`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// New code of a package lies ready to be imported. The core primes an instance with it.
    CodeChanged {
        /// Whose code.
        package: PackageId,
        /// The code.
        code: CodeHash,
        /// Its image or variables changed too: what was booted before is of no use for it.
        rebuilt: bool,
    },
    /// A package is gone: its functions are too.
    PackageRemoved {
        /// The package.
        package: PackageId,
    },
    /// An instance has imported all of a package's code and described it. `functions` is the
    /// whole list: one not named here has been removed.
    Primed {
        /// The instance.
        instance: InstanceId,
        /// The imported code.
        code: CodeHash,
        /// All functions of the package.
        functions: Vec<FunctionSpec>,
    },
    /// A request entered.
    RequestArrived {
        /// Its name from here on.
        request: RequestId,
        /// The function it is for.
        function: FunctionId,
    },
    /// A started instance answers on its control channel.
    InstanceBooted {
        /// The instance.
        instance: InstanceId,
    },
    /// An instance could not be created or never answered. Nothing of it remains.
    StartFailed {
        /// The instance.
        instance: InstanceId,
    },
    /// An instance has its function imported and can take requests.
    Assigned {
        /// The instance.
        instance: InstanceId,
    },
    /// The function's code could not be imported by this instance, which is of no further use.
    AssignFailed {
        /// The instance.
        instance: InstanceId,
    },
    /// A pause has been carried out.
    Paused {
        /// The instance.
        instance: InstanceId,
    },
    /// A resume has been carried out.
    Resumed {
        /// The instance.
        instance: InstanceId,
    },
    /// An instance ended by itself or was killed. Nothing of it remains.
    InstanceDied {
        /// The instance.
        instance: InstanceId,
    },
    /// A stop has been carried out. Nothing of the instance remains.
    InstanceStopped {
        /// The instance.
        instance: InstanceId,
    },
    /// The head of the response was received, so the function's timeout no longer applies.
    ResponseStarted {
        /// The request.
        request: RequestId,
    },
    /// The response ended and the instance can take another request.
    ResponseFinished {
        /// The request.
        request: RequestId,
    },
    /// The exchange with the instance broke before the response ended. The instance is not to be
    /// trusted with another request.
    RequestFailed {
        /// The request.
        request: RequestId,
        /// The permission to try another instance.
        retry: Retry,
    },
    /// The client left. If its request was running, the instance stays busy until
    /// [`Event::Released`].
    ClientGone {
        /// The request.
        request: RequestId,
    },
    /// The instance no longer works for a request whose client left.
    Released {
        /// The request.
        request: RequestId,
    },
    /// Bounds of the node changed.
    LimitsChanged {
        /// The new ones.
        limits: NodeLimits,
    },
    /// The machine is short of memory: give up what nobody is using.
    MemoryPressure,
    /// The next request of a function is to be a cold start: stop its idle instances and the spares
    /// it could be given, and replace none of them for a while unless a request waits.
    ForceCold {
        /// The function.
        function: FunctionId,
    },
    /// Keeps `instances` instances of a function ready even when nothing arrives, until the next
    /// such event, if its `min_instances` does not ask for more. The function is about to get the
    /// requests of another node or release.
    Prewarm {
        /// The function.
        function: FunctionId,
        /// How many; 0 when no more than usual.
        instances: u32,
    },
    /// A deadline told by [`crate::Node::next_deadline`] has passed.
    DeadlinePassed,
    /// Take no more requests, finish those under way, stop every instance.
    Drain,
}

impl Event {
    /// The instance that tells this. `None` for events of requests, code, limits and time.
    pub(crate) fn instance(&self) -> Option<InstanceId> {
        match *self {
            Self::Primed { instance, .. }
            | Self::InstanceBooted { instance }
            | Self::StartFailed { instance }
            | Self::Assigned { instance }
            | Self::AssignFailed { instance }
            | Self::Paused { instance }
            | Self::Resumed { instance }
            | Self::InstanceDied { instance }
            | Self::InstanceStopped { instance } => Some(instance),
            _ => None,
        }
    }
}

/// The permission to try a request whose exchange broke on another instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// Something was answered or consumed, or doing it twice could do harm.
    No,
    /// Once: the request may be tried again, but may also be the reason for the instance's end.
    Once,
    /// Any number of times: the request never reached the instance, or the instance was ended from
    /// outside.
    Free,
}

/// A function as described by its code and configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// The function.
    pub function: FunctionId,
    /// Its bounds.
    pub limits: FunctionLimits,
    /// Its code could not be imported: requests are refused until the code changes.
    pub broken: bool,
}
