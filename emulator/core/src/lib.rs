//! The decisions of fnlocal: which instance serves a request, when one is started, paused or
//! stopped, what waits and what is refused. And of several nodes: which one serves a request
//! ([`routing`], [`balancer`]) and how many there are ([`scaling`]).
//!
//! Pure: [`Node::handle`] takes the time and an event and gives effects. There is no clock, no
//! randomness, no file and no socket in here, so the same code runs live, in the simulation, and
//! in a replay of recorded events. Bodies and headers of requests never enter.
#![warn(missing_docs)]
#![warn(clippy::disallowed_macros)]

pub mod async_budget;
mod average;
pub mod balancer;
pub mod effect;
pub mod event;
pub mod ids;
pub mod invariants;
pub mod limits;
mod node;
mod package;
mod pool;
pub mod profile;
mod rate;
pub mod record;
pub mod release;
pub mod route_table;
pub mod routing;
pub mod scaling;
pub mod time;
mod timers;
pub mod trigger;
pub mod view;

pub use effect::{Effect, StopReason};
pub use event::{Event, FunctionSpec, Retry};
pub use fnlocal_api::{RefuseReason, StartKind};
pub use ids::{CodeHash, FunctionId, InstanceId, NodeId, PackageId, RequestId};
pub use invariants::Violation;
pub use limits::{Excess, FunctionLimits, LimitError, NodeLimits, OverRate};
pub use node::Node;
pub use profile::Profile;
pub use routing::{Entered, Forward, FunctionStanding, Route, Router, RouterSettings};
pub use view::{FunctionView, InstancesView, NodeLoad, NodeView};
