//! Our things in an engine.

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ImageSummary;
use bollard::query_parameters::{
    ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
    RemoveContainerOptions, RemoveImageOptions,
};

use super::{CleanedItem, CleanedKind};
use fnlocal_engine::error::chain;
use fnlocal_engine::labels::{KIND as KIND_LABEL, pair};
use fnlocal_engine::reaper::remove_volume;
use fnlocal_image::PROJECT;
use fnlocal_image::host::KEY;

/// Returns whether an image of this name belongs to no project.
fn is_shared(name: &str) -> bool {
    // Earlier versions named images without a host.
    let name = name.strip_prefix("localhost/").unwrap_or(name);
    name.starts_with("fnlocal/base:") || name.starts_with("fnlocal/runner:")
}

/// Everything with the folder's label, images of the project, and if asked for those that projects
/// share.
pub(super) async fn list(
    docker: &Docker,
    folder: &str,
    project: &str,
    shared: bool,
) -> Result<Vec<CleanedItem>, Error> {
    let mut items = containers(docker, &[("label", folder)]).await?;
    let project = pair(PROJECT, project);
    // Of runs that were ended halfway, in this folder or as a node: they would keep the images.
    let ended = [
        ("label", project.as_str()),
        ("label", KIND_LABEL),
        ("status", "exited"),
        ("status", "dead"),
    ];
    items.extend(containers(docker, &ended).await?);
    items.extend(volumes(docker, folder).await?);
    items.extend(networks(docker, folder).await?);
    items.extend(images(docker, &project).await?);
    if shared {
        // Images that people build upon our base have its label too; their names tell them apart.
        let found = images(docker, KEY).await?;
        items.extend(
            found
                .into_iter()
                .filter(|item| !item.name.is_empty() && item.name.split(' ').all(is_shared)),
        );
    }
    items.sort();
    items.dedup();
    Ok(items)
}

fn labelled<T: FromIterator<(String, Vec<String>)>>(label: &str) -> Option<T> {
    filters(&[("label", label)])
}

fn filters<T: FromIterator<(String, Vec<String>)>>(pairs: &[(&str, &str)]) -> Option<T> {
    let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        let values = filters.entry((*name).to_owned()).or_default();
        values.push((*value).to_owned());
    }
    Some(filters.into_iter().collect())
}

async fn containers(docker: &Docker, wanted: &[(&str, &str)]) -> Result<Vec<CleanedItem>, Error> {
    let options = ListContainersOptions {
        all: true,
        filters: filters(wanted),
        ..ListContainersOptions::default()
    };
    let found = docker.list_containers(Some(options)).await?;
    let item = |id: String, names: Option<Vec<String>>| CleanedItem {
        kind: CleanedKind::Container,
        name: names.unwrap_or_default().join(" ").replace('/', ""),
        id,
        bytes: 0,
    };
    Ok(found
        .into_iter()
        .filter_map(|found| Some(item(found.id?, found.names)))
        .collect())
}

async fn volumes(docker: &Docker, label: &str) -> Result<Vec<CleanedItem>, Error> {
    let options = ListVolumesOptions {
        filters: labelled(label),
    };
    let found = docker.list_volumes(Some(options)).await?.volumes;
    let item = |name: String| CleanedItem {
        kind: CleanedKind::Volume,
        id: name.clone(),
        name,
        bytes: 0,
    };
    let found = found.into_iter().flatten();
    Ok(found.map(|volume| item(volume.name)).collect())
}

async fn networks(docker: &Docker, label: &str) -> Result<Vec<CleanedItem>, Error> {
    let options = ListNetworksOptions {
        filters: labelled(label),
    };
    let found = docker.list_networks(Some(options)).await?;
    let item = |id: String, name: Option<String>| CleanedItem {
        kind: CleanedKind::Network,
        name: name.unwrap_or_default(),
        id,
        bytes: 0,
    };
    Ok(found
        .into_iter()
        .filter_map(|found| Some(item(found.id?, found.name)))
        .collect())
}

async fn images(docker: &Docker, label: &str) -> Result<Vec<CleanedItem>, Error> {
    let options = ListImagesOptions {
        filters: labelled(label),
        ..ListImagesOptions::default()
    };
    let found = docker.list_images(Some(options)).await?;
    Ok(found.into_iter().map(image).collect())
}

fn image(found: ImageSummary) -> CleanedItem {
    // One that was pulled is also known by the registry's address and its digest.
    let names: Vec<String> = found
        .repo_tags
        .into_iter()
        .chain(found.repo_digests)
        .filter(|name| !name.contains("<none>"))
        .collect();
    CleanedItem {
        kind: CleanedKind::Image,
        name: names.join(" "),
        id: found.id,
        bytes: u64::try_from(found.size).unwrap_or_default(),
    }
}

/// Removes one thing. An image that a container uses stays, and so says why.
pub(super) async fn remove(docker: &Docker, item: &CleanedItem) -> Result<(), String> {
    let removed = match item.kind {
        CleanedKind::Container => {
            let options = RemoveContainerOptions {
                force: true,
                v: true,
                link: false,
            };
            docker.remove_container(&item.id, Some(options)).await
        }
        CleanedKind::Volume => remove_volume(docker, &item.id).await,
        CleanedKind::Network => docker.remove_network(&item.id).await,
        CleanedKind::Image => remove_image(docker, item).await,
        CleanedKind::Path => return Ok(()),
    };
    match removed {
        // Another process was quicker.
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(()),
        other => other.map_err(|error| chain(&error)),
    }
}

/// By each of its names: one with several is not removed by its id without force, and force would
/// take it from under a stopped container.
async fn remove_image(docker: &Docker, item: &CleanedItem) -> Result<(), Error> {
    let names: Vec<&str> = match item.name.as_str() {
        "" => vec![&item.id],
        names => names.split(' ').collect(),
    };
    for name in names {
        let options = RemoveImageOptions::default();
        docker.remove_image(name, Some(options), None).await?;
    }
    Ok(())
}
