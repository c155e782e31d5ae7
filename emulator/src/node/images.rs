//! The engine's images: pulled by digest, removed when no release needs them.

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptions, ListImagesOptions, RemoveImageOptions};
use fnlocal_core::release::ReleasePackage;
use futures_util::StreamExt;

use super::WantedRelease;
use super::error::ReleaseLoadError;
use super::needed::Needed;
use fnlocal_engine::error::chain;
use fnlocal_image::base;

/// Has the engine hold a package's image, whose digest it checks. Returns the image's id.
pub(super) async fn ensure(
    docker: &Docker,
    wanted: &WantedRelease,
    package: &ReleasePackage,
) -> Result<String, ReleaseLoadError> {
    let name = format!("{}@{}", wanted.repository, package.digest);
    let found = match base::inspect(docker, &name).await? {
        Some(found) => Some(found),
        None => {
            let failed = |why| ReleaseLoadError::Pull {
                package: package.name.clone(),
                why,
            };
            pull(docker, wanted, &name).await.map_err(failed)?;
            base::inspect(docker, &name).await?
        }
    };
    found
        .and_then(|found| found.id)
        .ok_or(ReleaseLoadError::Pull {
            package: package.name.clone(),
            why: "the engine does not show it".to_owned(),
        })
}

async fn pull(docker: &Docker, wanted: &WantedRelease, name: &str) -> Result<(), String> {
    let options = CreateImageOptions {
        from_image: Some(name.to_owned()),
        ..CreateImageOptions::default()
    };
    let host = wanted.repository.split('/').next().unwrap_or_default();
    let credentials = DockerCredentials {
        username: Some(wanted.user.clone()),
        password: Some(wanted.password.clone()),
        serveraddress: Some(host.to_owned()),
        ..DockerCredentials::default()
    };
    let mut news = docker.create_image(Some(options), None, Some(credentials));
    while let Some(news) = news.next().await {
        let news = news.map_err(|error| chain(&error))?;
        if let Some(error) = news.error_detail.and_then(|detail| detail.message) {
            return Err(error);
        }
    }
    Ok(())
}

/// Removes images of a repository that are not needed. Images in use stay until the next time.
/// Returns the number of removed images.
pub(super) async fn remove_others(
    docker: &Docker,
    repository: &str,
    needed: &Needed,
) -> Result<usize, String> {
    let list = docker.list_images(None::<ListImagesOptions>).await;
    let list = list.map_err(|error| chain(&error))?;
    let names = list.iter().flat_map(|image| &image.repo_digests);
    let mut removed = 0;
    for name in names {
        let Some((of, digest)) = name.split_once('@') else {
            continue;
        };
        if of != repository {
            continue;
        }
        let _alone = needed.alone().await;
        if !needed.has(digest) {
            let gone = docker
                .remove_image(name, None::<RemoveImageOptions>, None)
                .await;
            removed += usize::from(gone.is_ok());
        }
    }
    Ok(removed)
}
