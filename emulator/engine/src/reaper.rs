//! Removing what is ours: one container, this run's everything, or what a dead run left behind.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerSummary, Volume};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions,
    RemoveContainerOptions, RemoveVolumeOptions,
};
use fnlocal_files::OwnPath;
use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use super::error::EngineError;
use super::error::{already, refused};
use super::identity::is_run_name;
use super::labels::{NODE, Owner, PROJECT, RUN, pair};

/// Removals at once. The engine works on them one by one in places anyway.
const PARALLEL_REMOVALS: usize = 8;
/// Looks at what is left of a run that ends.
const MAX_REMOVAL_ROUNDS: usize = 3;
/// Tries to list containers, and the pause between them.
const LIST_TRIES: usize = 20;
const LIST_PAUSE: Duration = Duration::from_millis(100);
/// For a removal that somebody else has begun.
const FOREIGN_REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The removed things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    pub containers: usize,
    pub networks: usize,
    /// Volumes with copies of code.
    pub volumes: usize,
}

/// Removes what other runs of `owner`'s project left behind: containers, networks, volumes, socket
/// folders.
///
/// Nothing without the project's label is touched. The caller holds the project's lock, so that no
/// other run of it is alive.
///
/// # Errors
/// When the engine does not list; single removals that fail are left for the next run.
pub async fn reap(docker: &Docker, owner: &Owner, sockets: &Path) -> Result<Reaped, EngineError> {
    let label = || [("label".to_owned(), vec![pair(PROJECT, &owner.project)])].into_iter();
    let foreign = |run: Option<&String>| run.is_some_and(|run| *run != owner.run);
    let list = list(docker, label().collect()).await?;
    let left: Vec<_> = list
        .into_iter()
        .filter(|found| foreign(found.labels.as_ref().and_then(|labels| labels.get(RUN))))
        .collect();
    let containers = remove_all(docker, &left).await;
    let options = ListNetworksOptions {
        filters: Some(label().collect()),
    };
    let networks = docker
        .list_networks(Some(options))
        .await
        .map_err(refused("listing networks"))?;
    let mut reaped = Reaped {
        containers,
        ..Reaped::default()
    };
    for network in networks {
        let run = network.labels.as_ref().and_then(|labels| labels.get(RUN));
        if let (true, Some(id)) = (foreign(run), &network.id)
            && docker.remove_network(id).await.is_ok()
        {
            reaped.networks += 1;
        }
    }
    for volume in volumes(docker, label().collect()).await? {
        if foreign(volume.labels.get(RUN)) && remove_volume(docker, &volume.name).await.is_ok() {
            reaped.volumes += 1;
        }
    }
    for labels in left.iter().filter_map(|found| found.labels.as_ref()) {
        if let (Some(run), Some(node)) = (labels.get(RUN), labels.get(NODE))
            && is_run_name(run)
            && is_run_name(node)
        {
            let folder = OwnPath::new(sockets).join(format!("{run}-{node}"));
            let _ = folder.remove_all();
        }
    }
    Ok(reaped)
}

/// Removes everything of this node in this run.
pub async fn remove_own(docker: &Docker, owner: &Owner) {
    // A creation that was under way when its task ended may show only after the first look.
    for _ in 0..MAX_REMOVAL_ROUNDS {
        match list(docker, owner.filter()).await {
            Ok(list) if !list.is_empty() => remove_all(docker, &list).await,
            _ => break,
        };
    }
    let options = ListNetworksOptions {
        filters: Some(owner.filter()),
    };
    for network in docker
        .list_networks(Some(options))
        .await
        .unwrap_or_default()
    {
        if let Some(id) = network.id {
            let _ = docker.remove_network(&id).await;
        }
    }
    let own = volumes(docker, owner.filter()).await;
    for volume in own.unwrap_or_default() {
        let _ = remove_volume(docker, &volume.name).await;
    }
}

/// Removes a volume that no container uses.
pub async fn remove_volume(docker: &Docker, name: &str) -> Result<(), bollard::errors::Error> {
    let options = RemoveVolumeOptions { force: false };
    docker.remove_volume(name, Some(options)).await
}

async fn volumes(
    docker: &Docker,
    filters: std::collections::BTreeMap<String, Vec<String>>,
) -> Result<Vec<Volume>, EngineError> {
    let options = ListVolumesOptions {
        filters: Some(filters.into_iter().collect()),
    };
    let listed = docker.list_volumes(Some(options)).await;
    let listed = listed.map_err(refused("listing volumes"))?;
    Ok(listed.volumes.unwrap_or_default())
}

/// Kills and removes a container, and returns when it is gone.
pub async fn remove(docker: &Docker, id: &str) {
    let _left_for_the_next_run = try_remove(docker, id).await;
}

/// As [`remove`]. Returns whether it is gone.
async fn try_remove(docker: &Docker, id: &str) -> bool {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        link: false,
    };
    match docker.remove_container(id, Some(options)).await {
        Err(error) if already(&error) => {
            // Another removal is under way, or it is gone.
            let waited = timeout(FOREIGN_REMOVAL_TIMEOUT, gone(docker, id)).await;
            waited.is_ok()
        }
        removed => removed.is_ok(),
    }
}

/// Containers that match, running or not.
pub async fn list(
    docker: &Docker,
    filters: std::collections::BTreeMap<String, Vec<String>>,
) -> Result<Vec<ContainerSummary>, EngineError> {
    let options = ListContainersOptions {
        all: true,
        filters: Some(filters.into_iter().collect()),
        ..ListContainersOptions::default()
    };
    let mut tries = 1..LIST_TRIES;
    loop {
        match docker.list_containers(Some(options.clone())).await {
            // While a container ends or is removed, Podman gives it a state that Docker's API does
            // not have, or refuses to list at all.
            Err(_) if tries.next().is_some() => sleep(LIST_PAUSE).await,
            listed => return listed.map_err(refused("listing containers")),
        }
    }
}

async fn remove_all(docker: &Docker, list: &[ContainerSummary]) -> usize {
    // Owned, for a borrowing closure in a stream is not general enough for a boxed future.
    let mut ids: Vec<String> = list.iter().filter_map(|found| found.id.clone()).collect();
    let count = ids.len();
    // Podman keeps a sandbox until the containers that share its network are gone.
    for _ in 0..2 {
        let removals = stream::iter(ids).map(async |id| {
            let is_gone = try_remove(docker, &id).await;
            (!is_gone).then_some(id)
        });
        let left = removals.buffer_unordered(PARALLEL_REMOVALS);
        ids = left.filter_map(async |left| left).collect().await;
    }
    count - ids.len()
}

async fn gone(docker: &Docker, id: &str) {
    while docker
        .inspect_container(id, None::<InspectContainerOptions>)
        .await
        .is_ok()
    {
        sleep(Duration::from_millis(20)).await;
    }
}
