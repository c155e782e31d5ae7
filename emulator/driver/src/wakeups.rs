//! Rings for those who wait beside the requests: triggered work, for room and for functions.

use std::rc::Rc;

use fnlocal_core::Event;
use tokio::sync::Notify;

/// The states that may have changed.
#[derive(Default)]
pub struct Wakeups {
    /// There may be more room.
    pub freed: Rc<Notify>,
    /// Functions may be others, or have other settings.
    pub described: Rc<Notify>,
}

/// The wake-ups of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rings {
    Nothing,
    Freed,
    Described,
}

impl Wakeups {
    /// Returns the wake-ups of an event. Called before the core takes the event.
    pub fn rings(event: &Event) -> Rings {
        match event {
            Event::Primed { .. } | Event::PackageRemoved { .. } => Rings::Described,
            Event::ResponseFinished { .. }
            | Event::Released { .. }
            | Event::RequestFailed { .. }
            | Event::ClientGone { .. }
            | Event::Assigned { .. }
            | Event::InstanceDied { .. }
            | Event::DeadlinePassed => Rings::Freed,
            _ => Rings::Nothing,
        }
    }

    /// Rings. A bell without a waiter costs a load.
    pub fn ring(&self, rings: Rings) {
        match rings {
            Rings::Nothing => {}
            Rings::Freed => self.freed.notify_one(),
            Rings::Described => {
                self.freed.notify_one();
                self.described.notify_one();
            }
        }
    }
}
