//! The nodes that serve: one, or several that are simulated.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::NodeLimits;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::{ServeError, Topology};
use crate::accept::{FrontSettings, NodeFront, accept};
use crate::fleet::{self, FleetError, SimulatedFleet};
use crate::inspect::{InspectOptions, Inspector};
use crate::listeners::{ListenError, Listeners};
use crate::session::Stop;
use fnlocal_driver::{Driver, DriverGroup, EventRecorder};
use fnlocal_faults::Broken;
use fnlocal_gateway::triggers::Triggers;
use fnlocal_logs::Logs;

/// The name of a node that is alone.
pub(super) const SINGLE_NODE: &str = "n0";

/// The nodes that serve.
pub(super) enum ServingNodes {
    /// One, and what of it is debugged.
    Single(Rc<Driver>, Option<InspectOptions>),
    /// Several.
    Simulated(SimulatedFleet),
}

impl Topology {
    /// The name of the first node.
    pub(super) fn first_node(&self) -> &'static str {
        match self {
            Self::Single(_) => SINGLE_NODE,
            Self::Simulated(_) => fleet::FIRST_NODE,
        }
    }
}

impl ServingNodes {
    /// Their drivers, which are told of code together.
    pub fn group(&self) -> DriverGroup {
        match self {
            Self::Single(driver, _) => DriverGroup::of(Rc::clone(driver)),
            Self::Simulated(fleet) => fleet.group(),
        }
    }

    /// Opens the port for debuggers, if one was asked for. What it returns does not end.
    pub async fn inspect(&self, logs: &Logs) -> Result<LocalBoxFuture<'static, ()>, ListenError> {
        let Self::Single(driver, Some(inspect)) = self else {
            return Ok(std::future::pending().boxed_local());
        };
        let inspector = Inspector::listen(inspect).await?;
        driver.inspect(Arc::clone(inspector.function()));
        let (name, port) = (inspector.function(), inspector.port());
        logs.note(format!("debuggers of {name} attach to 127.0.0.1:{port}"));
        Ok(inspector.serve(Rc::clone(driver)).boxed_local())
    }

    /// Gives all nodes a queue, schedules and sources, before the first is launched.
    pub fn set_triggers(&self, triggers: &Rc<Triggers>) {
        if let Self::Simulated(fleet) = self {
            fleet.set_triggers(Rc::clone(triggers));
        }
    }

    /// Waits until the first nodes are in service, or will not be. Returns one of them.
    pub async fn in_service(&self) -> Result<Rc<Driver>, FleetError> {
        match self {
            Self::Single(driver, _) => Ok(Rc::clone(driver)),
            Self::Simulated(fleet) => fleet.in_service().await,
        }
    }

    /// Accepts requests until told to stop, then lets those under way finish. `beside` runs meanwhile.
    pub async fn accept(
        &self,
        listeners: Listeners,
        front: &FrontSettings,
        triggers: &Rc<Triggers>,
        beside: impl Future<Output = ()> + 'static,
        stop: &Stop,
    ) -> Result<(), Broken> {
        let driver = match self {
            Self::Single(driver, _) => driver,
            Self::Simulated(fleet) => return fleet.serve(listeners, beside, stop).await,
        };
        let front = NodeFront {
            listener: listeners.functions,
            platform: Some(listeners.platform),
            options: front.gateway.clone(),
            token: &front.token,
            peers: None,
            triggers: Some(Rc::clone(triggers)),
            about: Some(&front.about),
        };
        accept(driver, front, beside, stop).await
    }
}

/// What writes the core's events to a file, if they are to be.
pub(super) fn recorder(
    path: Option<PathBuf>,
    limits: &NodeLimits,
) -> Result<Option<EventRecorder>, ServeError> {
    let Some(path) = path else {
        return Ok(None);
    };
    match EventRecorder::create(&path, limits) {
        Ok(recorder) => Ok(Some(recorder)),
        Err(source) => Err(ServeError::Record { path, source }),
    }
}
