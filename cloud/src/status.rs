//! How an environment is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aws::Aws;
use crate::endpoint::Endpoint;
use crate::error::CloudError;
use crate::inventory::{AccountRegion, GroupNode, Refresh};
use crate::resource::{Resource, ResourceKind};

/// How an environment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    /// Where it is.
    pub place: AccountRegion,
    /// The release the nodes follow, as `TAG@DIGEST`.
    pub release: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// Its functions, sorted.
    pub functions: Vec<String>,
    /// All releases that can be rolled back to.
    pub releases: Vec<String>,
    /// The nodes.
    pub nodes: Vec<MachineStatus>,
    /// The minimum and maximum number of nodes of the group.
    pub bounds: Option<(u32, u32)>,
    /// A replacement of nodes that is under way.
    pub refresh: Option<Refresh>,
    /// Where requests come in.
    pub door: Option<Endpoint>,
}

/// A node, and what is known of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// As the group lists it.
    pub node: GroupNode,
    /// `true` if the node was started from the template of new nodes.
    pub current: bool,
    /// The balancer's state of the node: `healthy`, `initial`, …
    pub target: Option<String>,
    /// When it was started, in seconds since 1970.
    pub since: Option<i64>,
    /// Its address in the network.
    pub address: Option<String>,
}

/// EC2's facts about a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// When it was started, in seconds since 1970.
    pub since: Option<i64>,
    /// Its address in the network.
    pub address: Option<String>,
}

impl EnvironmentStatus {
    /// Nodes that take requests.
    #[must_use]
    pub fn serving(&self) -> usize {
        let takes = |machine: &&MachineStatus| machine.target.as_deref() == Some("healthy");
        self.nodes.iter().filter(takes).count()
    }

    /// Hours that the nodes have run, all together, and that the balancer has been there. `now` is
    /// in seconds since 1970.
    #[must_use]
    pub fn hours(&self, now: i64) -> (f64, f64) {
        let hours = |since: Option<i64>| {
            let seconds = since.map_or(0, |since| (now - since).max(0));
            #[expect(clippy::cast_precision_loss, reason = "centuries of seconds fit")]
            let hours = seconds as f64 / 3600.0;
            hours
        };
        let nodes = self.nodes.iter().map(|machine| hours(machine.since)).sum();
        let door = hours(self.door.as_ref().and_then(|door| door.since));
        (nodes, door)
    }
}

/// How the environment is.
///
/// # Errors
/// AWS does not say what is there.
pub async fn status(aws: &Aws) -> Result<EnvironmentStatus, CloudError> {
    let inventory = aws.everything().await?;
    let ids: Vec<String> = inventory.nodes.iter().map(|node| node.id.clone()).collect();
    let target_group = inventory.of_kind(ResourceKind::TargetGroup).next();
    let (mut facts, mut targets) = tokio::try_join!(
        aws.facts(&ids),
        aws.targets(target_group.map(|found| found.id.as_str())),
    )?;
    let wanted = inventory
        .of_kind(ResourceKind::Nodes)
        .find_map(|found| match &found.resource {
            Resource::Nodes(nodes) => Some(nodes.template.clone()),
            _ => None,
        });
    let bounds = inventory
        .of_kind(ResourceKind::Group)
        .find_map(|found| match &found.resource {
            Resource::Group(group) => Some((group.min, group.max)),
            _ => None,
        });
    let release = inventory.pointer().map(str::to_owned);
    let current = inventory.current().map(|(_, delivery)| &delivery.release);
    let functions =
        current.map(|release| release.functions().into_keys().map(str::to_owned).collect());
    let created = current.map(|release| release.created.clone());
    let nodes = inventory.nodes.into_iter().map(|node| {
        let Facts { since, address } = facts.remove(&node.id).unwrap_or_default();
        MachineStatus {
            current: node.template.is_some() && node.template == wanted,
            target: targets.remove(&node.id),
            since,
            address,
            node,
        }
    });
    Ok(EnvironmentStatus {
        place: inventory.place,
        release,
        created,
        functions: functions.unwrap_or_default(),
        releases: inventory.deliveries.into_keys().collect(),
        nodes: nodes.collect(),
        bounds,
        refresh: inventory.refresh,
        door: inventory.door,
    })
}

/// By the machine's id.
pub(crate) type ById<T> = BTreeMap<String, T>;
