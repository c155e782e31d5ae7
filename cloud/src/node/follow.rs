//! Follows what AWS says of the node's group and machine, and tells what is new.
//!
//! A failed call to AWS changes nothing: the last known state counts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use fnlocal_core::release::Release;
use tokio::sync::watch;

use super::calls::{Calls, GroupSnapshot};
use super::machine::ThisMachine;
use super::{NodePace, NodeSettings};
use crate::error::{CloudError, CloudErrorKind};
use crate::registry::{Login, RemoteRegistry};

/// Time for one attempt at a call.
const CALL: Duration = Duration::from_secs(10);
/// The maximum number of calls a second by all nodes of a group together, so that a large group
/// stays below the account's limits.
const LOOKS: u64 = 4;

/// A change.
pub enum GroupUpdate {
    /// The nodes are to serve another release.
    Release(Box<Assigned>),
    /// The group's machines are others, this one among them.
    Peers(Vec<GroupPeer>),
    /// This machine will be taken away, and why.
    Ending(String),
    /// Something goes wrong. Told once, until something else does.
    Trouble(CloudError),
    /// An earlier failure is over.
    Well,
}

/// A release to serve. No `Debug`: values of variables are secrets.
pub struct Assigned {
    /// Its number, as a tag.
    pub tag: String,
    /// The release.
    pub release: Release,
    /// How to get its images.
    pub login: Login,
    /// The values of its variables, by name.
    pub variables: BTreeMap<String, String>,
}

/// A machine of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPeer {
    /// EC2's name for it.
    pub id: String,
    /// Its private address.
    pub address: IpAddr,
}

/// How the node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeStanding {
    /// Memory promised to instances, in percent of what may be.
    pub memory_percent: f64,
    /// The machine has finished its last request.
    pub drained: bool,
}

/// The last reported values.
#[derive(Default)]
struct LastTold {
    pointer: Option<String>,
    peers: Vec<GroupPeer>,
    addresses: BTreeMap<String, IpAddr>,
    ending: bool,
    trouble: Option<String>,
}

/// Follows the group of one node.
pub struct Follower {
    settings: NodeSettings,
    machine: ThisMachine,
    calls: Calls,
}

impl Follower {
    /// A follower for the node on `machine`.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: NodeSettings, machine: ThisMachine) -> Self {
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(CALL);
        let config = config.clone().into_builder();
        let config = config.timeout_config(timeout.build()).build();
        Self {
            calls: Calls::new(&config),
            settings,
            machine,
        }
    }

    /// The key by which nodes know each other.
    ///
    /// # Errors
    /// AWS refuses or does not answer.
    pub async fn peer_key(&self) -> Result<String, CloudError> {
        self.calls.peer_key(&self.settings.peer_key).await
    }

    /// Tells what is new until the node has drained, then lets the machine end if its group waits
    /// for that.
    pub async fn run(self, tell: impl Fn(GroupUpdate), standing: watch::Receiver<NodeStanding>) {
        let mut until = standing.clone();
        let mut told = LastTold::default();
        tokio::select! {
            never = self.look_on(&tell, &mut told) => match never {},
            never = self.publish_on(&tell, &standing) => match never {},
            // Its sender outlives the node.
            _drained = until.wait_for(|standing| standing.drained) => {}
        }
        if let Err(error) = self.let_go(told.ending).await {
            tell(GroupUpdate::Trouble(error));
        }
    }

    async fn look_on(
        &self,
        tell: &impl Fn(GroupUpdate),
        told: &mut LastTold,
    ) -> std::convert::Infallible {
        loop {
            let well = self.look(tell, told).await.err();
            told.report(well, tell);
            let many = u64::try_from(told.peers.len()).unwrap_or(u64::MAX);
            let pace = self.pace().poll_ms.max(many * 1000 / LOOKS);
            tokio::time::sleep(jittered(pace)).await;
        }
    }

    async fn look(
        &self,
        tell: &impl Fn(GroupUpdate),
        told: &mut LastTold,
    ) -> Result<(), CloudError> {
        let (group, notice) = tokio::join!(
            self.calls.group(&self.settings.group),
            self.machine.notice()
        );
        let group = group?;
        let state = group
            .members
            .get(&self.machine.id)
            .map_or("", String::as_str);
        let ending = if state.starts_with("Terminating") {
            Some("the auto-scaling group takes the machine away".to_owned())
        } else {
            notice?
        };
        if let Some(why) = ending
            && !std::mem::replace(&mut told.ending, true)
        {
            tell(GroupUpdate::Ending(why));
        }
        let peers = self.peers(&group, told).await?;
        if peers != told.peers {
            tell(GroupUpdate::Peers(peers.clone()));
            told.peers = peers;
        }
        if group.pointer != told.pointer
            && let Some(pointer) = &group.pointer
        {
            let assigned = self.assigned(pointer).await?;
            tell(GroupUpdate::Release(Box::new(assigned)));
            told.pointer = group.pointer;
        }
        Ok(())
    }

    /// The machines that are not about to end. Addresses are asked for when a machine is new.
    async fn peers(
        &self,
        group: &GroupSnapshot,
        told: &mut LastTold,
    ) -> Result<Vec<GroupPeer>, CloudError> {
        let staying = group.members.iter();
        let away = |state: &str| state.starts_with("Terminat") || state.starts_with("Warmed");
        let staying = staying.filter(|(_, state)| !away(state));
        let ids: Vec<String> = staying.map(|(id, _)| id.clone()).collect();
        if ids.iter().any(|id| !told.addresses.contains_key(id)) {
            told.addresses = self.calls.addresses(&ids).await?;
        }
        let peer = |id: String| {
            let address = *told.addresses.get(&id)?;
            Some(GroupPeer { id, address })
        };
        Ok(ids.into_iter().filter_map(peer).collect())
    }

    /// The release a pointer names, with what is needed to run it.
    async fn assigned(&self, pointer: &str) -> Result<Assigned, CloudError> {
        let wrong = |what: &str| {
            CloudError::new(
                CloudErrorKind::Failed,
                format!("the release {pointer} {what}"),
            )
            .hint("run `fnlocal promote` with the fnlocal that made the nodes, or a newer one")
        };
        let (tag, digest) = pointer
            .split_once('@')
            .ok_or_else(|| wrong("is named by no digest"))?;
        let login = self.calls.login().await?;
        let registry = RemoteRegistry::new(&login, &self.settings.repository).await?;
        let (found, delivery) = registry.delivery(tag).await?;
        if found != digest {
            return Err(wrong("is another in the registry"));
        }
        let delivery = delivery.ok_or_else(|| wrong("cannot be read by this fnlocal"))?;
        let release = delivery.release.validate();
        let release = release.map_err(|error| wrong("makes no sense").because(error))?;
        let variables = self.calls.variables(&delivery.sources).await?;
        Ok(Assigned {
            tag: tag.to_owned(),
            release,
            login,
            variables,
        })
    }

    async fn publish_on(
        &self,
        tell: &impl Fn(GroupUpdate),
        standing: &watch::Receiver<NodeStanding>,
    ) -> std::convert::Infallible {
        let mut trouble = LastTold::default();
        loop {
            tokio::time::sleep(Duration::from_millis(self.pace().metrics_ms)).await;
            let percent = standing.borrow().memory_percent;
            let published = self.calls.publish(&self.settings, percent).await;
            trouble.report(published.err(), tell);
        }
    }

    /// Completes the lifecycle action once the group waits for that. Where it is AWS that ends the
    /// machine it will; else it is asked once.
    async fn let_go(&self, ending: bool) -> Result<(), CloudError> {
        loop {
            let group = self.calls.group(&self.settings.group).await?;
            let state = group.members.get(&self.machine.id).map(String::as_str);
            match state {
                Some("Terminating:Wait") => {
                    return self.calls.complete(&self.settings, &self.machine.id).await;
                }
                Some(_) if ending => tokio::time::sleep(jittered(self.pace().poll_ms)).await,
                _ => return Ok(()),
            }
        }
    }

    fn pace(&self) -> NodePace {
        self.settings.pace()
    }
}

impl LastTold {
    /// Tells of trouble when it is new, and of its end.
    fn report(&mut self, trouble: Option<CloudError>, tell: &impl Fn(GroupUpdate)) {
        let text = trouble.as_ref().map(ToString::to_string);
        if text == self.trouble {
            return;
        }
        self.trouble = text;
        tell(trouble.map_or(GroupUpdate::Well, GroupUpdate::Trouble));
    }
}

/// About so long, so that the nodes of a group do not all ask at once.
fn jittered(millis: u64) -> Duration {
    fnlocal_core::time::scaled(Duration::from_millis(millis), rand::random_range(0.8..1.2))
}
