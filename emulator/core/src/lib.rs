//! The decisions of fnlocal: which instance serves a request, when one is started, paused or
//! stopped, what waits and what is refused.
//!
//! Pure: [`Node::handle`] takes the time and an event and gives effects. There is no clock, no
//! randomness, no file and no socket in here, so the same code runs live, in the simulation, and
//! in a replay of recorded events. Bodies and headers of requests never enter.

mod average;
pub mod effect;
pub mod event;
pub mod ids;
pub mod invariants;
pub mod limits;
mod node;
mod package;
mod pool;
mod rate;
pub mod release;
pub mod time;
mod timers;
pub mod view;

pub use effect::{Effect, RefuseReason, StartKind, StopReason};
pub use event::{Event, FunctionSpec, Retry};
pub use ids::{CodeHash, FunctionId, InstanceId, PackageId, RequestId};
pub use invariants::Violation;
pub use limits::{FunctionLimits, LimitError, NodeLimits};
pub use node::Node;
pub use view::NodeView;
