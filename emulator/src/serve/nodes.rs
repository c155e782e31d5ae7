//! The nodes that serve: one, or several that are simulated.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::{ServeError, SingleNodeOptions, Topology};
use crate::accept::{FrontSettings, NodeFront, accept};
use crate::fleet::{self, FleetError, SimulatedFleet};
use crate::inspect::{InspectOptions, Inspector};
use crate::listeners::{ListenError, Listeners};
use crate::session::{NodeFactory, NodeSession, Stop};
use fnlocal_driver::{Driver, EventRecorder};
use fnlocal_faults::Broken;
use fnlocal_gateway::triggers::Triggers;
use fnlocal_logs::Logs;

/// The name of a node that is alone.
const SINGLE_NODE: &str = "n0";

/// The nodes that serve.
pub(super) enum ServingNodes {
    Single(SingleNode),
    Simulated(SimulatedFleet),
}

/// A node that is alone.
pub(super) struct SingleNode {
    session: NodeSession,
    inspect: Option<InspectOptions>,
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

impl SingleNode {
    pub async fn open(
        options: &SingleNodeOptions,
        factory: &NodeFactory,
    ) -> Result<Self, ServeError> {
        let recorder = match &options.record {
            None => None,
            Some(path) => {
                let recorder = EventRecorder::create(path, &factory.limits);
                Some(recorder.map_err(|source| ServeError::Record {
                    path: path.clone(),
                    source,
                })?)
            }
        };
        let session = factory.open(SINGLE_NODE).await?;
        if let Some(recorder) = recorder {
            session.driver.record(recorder);
        }
        Ok(Self {
            session,
            inspect: options.inspect.clone(),
        })
    }

    pub fn driver(&self) -> &Rc<Driver> {
        &self.session.driver
    }
}

impl ServingNodes {
    /// Runs `serving` to its end, and ends all nodes.
    pub async fn run(
        &self,
        serving: impl Future<Output = Result<(), ServeError>>,
        logs: &Logs,
    ) -> Result<(), ServeError> {
        let node = match self {
            Self::Single(node) => node,
            Self::Simulated(fleet) => return fleet.run(serving).await,
        };
        let ended = node.session.run(serving).await;
        if let Err(error) = node.driver().end_recording() {
            logs.warn(format!("the recording is cut off: {error}"));
        }
        ended
    }

    /// Opens the port for debuggers, if one was asked for. The returned future does not end.
    pub async fn inspect(&self, logs: &Logs) -> Result<LocalBoxFuture<'static, ()>, ListenError> {
        let (driver, options) = match self {
            Self::Single(SingleNode {
                session,
                inspect: Some(options),
            }) => (&session.driver, options),
            _ => return Ok(std::future::pending().boxed_local()),
        };
        let inspector = Inspector::listen(options).await?;
        driver.inspect(Arc::clone(inspector.function()));
        let (name, port) = (inspector.function(), inspector.port());
        logs.note(format!("debuggers of {name} attach to 127.0.0.1:{port}"));
        Ok(inspector.serve(Rc::clone(driver)).boxed_local())
    }

    /// Waits until the first nodes are in service, or will not be. Returns one of them.
    pub async fn in_service(&self) -> Result<Rc<Driver>, FleetError> {
        match self {
            Self::Single(node) => Ok(Rc::clone(node.driver())),
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
            Self::Single(node) => node.driver(),
            Self::Simulated(fleet) => return fleet.serve(listeners, beside, stop).await,
        };
        let front = NodeFront {
            listener: listeners.functions,
            platform: Some(listeners.platform),
            options: front.gateway.clone(),
            token: &front.token,
            peers: None,
            triggers: Rc::clone(triggers),
            about: Some(&front.about),
        };
        accept(driver, front, beside, stop).await
    }
}
