//! `fnlocal node`: composes the emulator's node with what the cloud tells it.
//!
//! The cloud has a thread of its own: its calls are large, and none is to hold up a request.

mod args;

pub use args::{EXAMPLES, NodeArgs};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use fnlocal_api::Exit;
use fnlocal_cloud::aws::configuration;
use fnlocal_cloud::node::{
    Assigned, Follower, GroupPeer, GroupUpdate, NodeSettings, NodeStanding, ThisMachine,
};
use fnlocal_cloud::{CloudError, CloudErrorKind};
use fnlocal_emulator::node::{self, Ending, Neighbour, NodeOptions, Orders, WantedRelease};
use fnlocal_emulator::serve::Stop;
use fnlocal_logs::Record;
use tokio::sync::{oneshot, watch};

use crate::error::CommandResult;
use crate::features::SOURCES;
use crate::printer::PrintStyle;
use crate::serving::serve;

/// The time for a last call to AWS after a request to end.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Runs until told to end.
pub fn run(args: &NodeArgs) -> CommandResult {
    let style = PrintStyle {
        json: args.json,
        documents: true,
        quiet: args.quiet,
    };
    let settings = NodeSettings::read(&args.settings)?;
    serve(style, async |sink, stop| {
        compose(settings, args.state.clone(), sink, stop).await
    })
}

/// The state of the group, which the cloud's thread writes.
struct GroupState {
    settings: NodeSettings,
    wanted: watch::Sender<Option<Arc<WantedRelease>>>,
    neighbours: watch::Sender<Vec<Neighbour>>,
    ending: watch::Sender<Option<String>>,
    sink: SyncSender<Vec<Record>>,
}

async fn compose(
    settings: NodeSettings,
    state: PathBuf,
    sink: SyncSender<Vec<Record>>,
    stop: Stop,
) -> CommandResult {
    let (standing, stands) = watch::channel(NodeStanding::default());
    let (wanted, orders_wanted) = watch::channel(None);
    let (neighbours, orders_neighbours) = watch::channel(Vec::new());
    let (ending, orders_ending) = watch::channel(None);
    let (begun, beginning) = oneshot::channel();
    let (done, finished) = oneshot::channel();
    let to = GroupState {
        settings: settings.clone(),
        wanted,
        neighbours,
        ending,
        sink: sink.clone(),
    };
    let cloud = std::thread::Builder::new().name("cloud".to_owned());
    let cloud = cloud.spawn(move || {
        follow(to, begun, stands);
        // The node may have ended before.
        let _ended = done.send(());
    });
    let Ok(cloud) = cloud else {
        return Ok(Exit::Bug);
    };
    let begun = tokio::select! {
        begun = beginning => begun,
        () = stop.gently.cancelled() => return Ok(Exit::Ok),
    };
    let Ok(begun) = begun else {
        // The cloud's thread panicked, and said why.
        return Ok(Exit::Bug);
    };
    let (machine, key) = begun?;
    let ended_by_cloud = orders_ending.clone();
    let committed = standing.clone();
    let orders = Orders {
        wanted: orders_wanted,
        neighbours: orders_neighbours,
        ending: orders_ending,
        committed: Box::new(move |percent| {
            committed.send_modify(|standing| standing.memory_percent = percent);
        }),
    };
    let options = NodeOptions {
        state,
        ..options(&settings, &machine, key)
    };
    let outcome = node::run(options, orders, sink, stop.clone()).await;
    standing.send_modify(|standing| standing.drained = true);
    let ended_by_cloud = ended_by_cloud.borrow().is_some();
    let finished = async {
        let _ended = finished.await;
        if ended_by_cloud && outcome.is_ok() {
            // Its machine goes; until then Docker would only start it again.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = finished => {}
        () = async { stop.gently.cancelled().await; tokio::time::sleep(LAST_CALL).await } => {}
        () = stop.now.cancelled() => {}
    }
    if cloud.is_finished() && cloud.join().is_err() {
        return Ok(Exit::Bug);
    }
    outcome?;
    Ok(Exit::Ok)
}

fn options(settings: &NodeSettings, machine: &ThisMachine, key: String) -> NodeOptions {
    let pace = settings.pace();
    NodeOptions {
        name: machine.id.clone(),
        project: format!("{}-{}", settings.project, settings.env),
        address: machine.address,
        port: settings.port,
        peer_port: settings.peer_port,
        key,
        own_images: vec![settings.gateway.clone()],
        ending: Ending {
            quiet: Duration::from_millis(pace.quiet_ms),
            drain: Duration::from_millis(pace.drain_ms),
        },
        state: PathBuf::new(),
        sources: SOURCES,
    }
}

/// The facts that the machine and AWS answer at the start: the machine, and the peers' key.
type Begun = Result<(ThisMachine, String), CloudError>;

/// The cloud's thread: finds the machine, then follows its group.
fn follow(to: GroupState, begun: oneshot::Sender<Begun>, stands: watch::Receiver<NodeStanding>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = CloudError::new(CloudErrorKind::Failed, "no thread can wait for AWS")
                .because(error);
            let _ended = begun.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let (follower, known) = match begin(&to.settings).await {
            Ok((follower, machine, key)) => (Some(follower), Ok((machine, key))),
            Err(error) => (None, Err(error)),
        };
        // The node may have been told to end.
        let _ended = begun.send(known);
        if let Some(follower) = follower {
            follower.run(|news| to.apply_update(news), stands).await;
        }
    });
}

async fn begin(settings: &NodeSettings) -> Result<(Follower, ThisMachine, String), CloudError> {
    let machine = ThisMachine::find().await?;
    let config = configuration(Some(&settings.region)).await;
    let follower = Follower::new(&config, settings.clone(), machine.clone());
    let key = follower.peer_key().await?;
    Ok((follower, machine, key))
}

impl GroupState {
    fn apply_update(&self, news: GroupUpdate) {
        match news {
            GroupUpdate::Release(assigned) => {
                let wanted = wanted(&self.settings, *assigned);
                self.wanted.send_replace(Some(Arc::new(wanted)));
            }
            GroupUpdate::Peers(peers) => {
                let port = self.settings.peer_port;
                let peers = peers.into_iter().map(|peer| neighbour(peer, port));
                self.neighbours.send_replace(peers.collect());
            }
            GroupUpdate::Ending(why) => drop(self.ending.send_replace(Some(why))),
            GroupUpdate::Trouble(error) => self.say(true, text(&error)),
            GroupUpdate::Well => self.say(false, "AWS answers as it should again".to_owned()),
        }
    }

    fn say(&self, warning: bool, text: String) {
        // A printer that is behind has other records of it.
        let _behind = self.sink.try_send(vec![Record::Note { warning, text }]);
    }
}

fn wanted(settings: &NodeSettings, assigned: Assigned) -> WantedRelease {
    let Assigned {
        tag,
        release,
        login,
        variables,
    } = assigned;
    WantedRelease {
        tag,
        release,
        repository: format!("{}/{}", login.host(), settings.repository),
        user: login.user,
        password: login.password,
        variables,
    }
}

fn neighbour(peer: GroupPeer, port: u16) -> Neighbour {
    Neighbour {
        name: peer.id,
        address: SocketAddr::new(peer.address, port),
    }
}

/// An error with its causes and what to do about it, in one text.
fn text(error: &CloudError) -> String {
    let mut text = fnlocal_api::chain(error);
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}
