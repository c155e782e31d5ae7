//! The gateway in front of one driver, and the order in which they end.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::dashboard::{self, About, NodeNow, NodeStage, RunNow};
use crate::session::{Stop, broken};
use fnlocal_driver::{Driver, Function};
use fnlocal_faults::Broken;
use fnlocal_gateway::metrics::NodeCounts;
use fnlocal_gateway::peers::Peers;
use fnlocal_gateway::platform::{self, Ask, Picture};
use fnlocal_gateway::triggers::Triggers;
use fnlocal_gateway::{Gateway, GatewayOptions};

/// An unused connection is closed by the balancer, not by a node: the other way round, requests
/// are sent into connections that are being closed. So longer than the balancer's 60 s.
pub(crate) const PEER_KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Time for instances to end after the last request was answered.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// How requests come in, whatever the nodes are.
#[derive(Clone)]
pub(crate) struct FrontSettings {
    pub gateway: GatewayOptions,
    /// The token that `/_fnlocal/*` requires before a change.
    pub token: String,
    /// The subject of the dashboard.
    pub about: About,
}

/// The listeners of a node.
pub(crate) struct NodeFront<'a> {
    pub listener: TcpListener,
    /// The platform's own origin; `None` where another port has it.
    pub platform: Option<TcpListener>,
    pub options: GatewayOptions,
    /// That of [`FrontSettings`].
    pub token: &'a str,
    /// The other nodes, if there are any.
    pub peers: Option<Rc<dyn Peers>>,
    /// The queue, schedules and sources.
    pub triggers: Rc<Triggers>,
    /// The subject of the dashboard; `None` if another port has it.
    pub about: Option<&'a About>,
}

/// Accepts requests until told to stop, then lets those under way finish.
///
/// `beside` runs meanwhile and must not end by itself.
///
/// # Errors
/// [`Broken`] when the gateway or `beside` ends unasked.
pub(crate) async fn accept(
    driver: &Rc<Driver>,
    front: NodeFront<'_>,
    beside: impl Future<Output = ()> + 'static,
    stop: &Stop,
) -> Result<(), Broken> {
    let archive = driver.logs().archive();
    let records = archive.clone().map(|archive| archive.until(&stop.gently));
    let (mut router, mut asks) = platform::router(front.token, records);
    let feeding = front.about.map(|about| {
        let now = now(front.options.node.clone(), driver);
        let (pages, feeding) = dashboard::start(about, archive, stop.gently.clone(), now);
        router = std::mem::take(&mut router).merge(pages);
        feeding
    });
    let triggers = front.triggers;
    // The nodes of a fleet share one queue, and any of them may end before it.
    let alone = front.peers.is_none();
    let port = front
        .platform
        .as_ref()
        .and_then(|one| one.local_addr().ok());
    let gateway = Gateway::new(
        Rc::clone(driver),
        front.options,
        router,
        front.peers,
        Some(Rc::clone(&triggers)),
        (front.token, port.map(|at| at.port())),
    );
    let pages = front.platform.map(|listener| {
        let stop = stop.gently.clone();
        spawn_local(Rc::clone(&gateway).serve_platform(listener, stop, dashboard::is_page_file))
    });
    let mut accepting = spawn_local(Rc::clone(&gateway).serve(front.listener, stop.gently.clone()));
    let mut beside = spawn_local(beside);
    let ended = loop {
        tokio::select! {
            Some(ask) = asks.recv() => answer(driver, &triggers, ask),
            accepted = &mut accepting => {
                accepted.map_err(|error| Broken(error.to_string()))?;
                break true;
            }
            ended = &mut beside => return Err(broken(ended)),
            () = stop.now.cancelled() => break false,
        }
    };
    if ended && alone {
        tokio::select! {
            () = triggers.drain() => {}
            () = stop.now.cancelled() => {}
        }
    }
    beside.abort();
    for task in feeding.into_iter().chain(pages) {
        task.abort();
    }
    if ended {
        finish(driver, stop).await;
    } else {
        accepting.abort();
        gateway.cut_off().await;
    }
    Ok(())
}

/// Returns the dashboard's state of the only node.
fn now(node: String, driver: &Rc<Driver>) -> impl Fn() -> RunNow + use<> {
    let driver = Rc::clone(driver);
    move || {
        let alone = NodeNow {
            stage: NodeStage::Serving,
            target: None,
            routed: false,
            picture: Some(picture(&driver)),
        };
        RunNow {
            nodes: [(node.clone(), alone)].into(),
            fleet: None,
            latency: driver.counts().latency(),
        }
    }
}

async fn finish(driver: &Rc<Driver>, stop: &Stop) {
    tokio::select! {
        () = driver.drain() => {}
        () = stop.now.cancelled() => {}
        () = tokio::time::sleep(STOP_TIMEOUT) => {
            driver.logs().warn("some instances did not end in time and are killed");
        }
    }
}

fn answer(driver: &Rc<Driver>, triggers: &Triggers, ask: Ask) {
    match ask {
        // The client may have gone away.
        Ask::View(answer) => {
            let mut picture = picture(driver);
            picture.triggers = Some(triggers.view());
            let _gone = answer.send(picture);
        }
        Ask::Counts(answer) => {
            let _gone = answer.send(NodeCounts::from_driver(driver));
        }
        Ask::Cold { function, answer } => {
            let _gone = answer.send(driver.chill(&function));
        }
    }
}

/// A picture of a node.
pub(crate) fn picture(driver: &Rc<Driver>) -> Picture {
    let all = driver.with_functions(|functions| functions.all());
    let named = |f: &Rc<Function>| (f.id.0.to_string(), f.name.to_string());
    let signed = |f: &Rc<Function>| (f.name.to_string(), f.settings.signature);
    Picture {
        functions: all.iter().map(named).collect(),
        signatures: all.iter().map(signed).collect(),
        node: driver.view(),
        requests: driver.counts().all(),
        triggers: None,
    }
}
