//! A release's images, from the project's registry into the engine.

use std::net::SocketAddr;

use bollard::query_parameters::{CreateImageOptions, TagImageOptions};
use fnlocal_core::release::ReleasePackage;
use fnlocal_registry::{Digest, Reference, RepositoryName, Store};
use futures_util::StreamExt;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OciImageIndex};

use crate::error::ServeError;
use fnlocal_engine::OnProgress;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::error::chain;
use fnlocal_engine::identity::local_image;
use fnlocal_image::base;
use fnlocal_image::oci::load::{Loading, load};
use fnlocal_image::oci::manifest::ImagePlatform;

/// How the engine is given images.
pub(super) struct ReleaseImages<'a> {
    pub engine: &'a Engine,
    pub store: &'a Store,
    /// Where the registry listens, if the engine can reach it: as on a node, it then pulls.
    pub registry: Option<SocketAddr>,
}

impl ReleaseImages<'_> {
    /// Has the engine hold a package's image, and returns its id.
    pub async fn ensure(
        &self,
        package: &ReleasePackage,
        progress: OnProgress<'_>,
    ) -> Result<String, ServeError> {
        let (repository, digest) = self.parse(package)?;
        let (manifest, config) = self.here(&repository, &digest)?;
        let name = format!("{}:{}", local(&repository), &digest.hex()[..12]);
        let wanted = [manifest.to_string(), config, digest.to_string()];
        if let Some(found) = base::inspect(&self.engine.docker, &name).await?
            && let Some(id) = found.id.filter(|id| wanted.contains(id))
        {
            return Ok(id);
        }
        if let Some(registry) = self.registry {
            match self.pull(registry, &repository, &digest, &name).await {
                Ok(()) => {
                    let found = base::inspect(&self.engine.docker, &name).await?;
                    return found.and_then(|found| found.id).ok_or_else(|| gone(&name));
                }
                Err(why) => progress(format!(
                    "the engine could not pull {name} from the registry ({why}); giving it the image instead"
                )),
            }
        }
        let loading = Loading {
            repository,
            manifest,
            name,
        };
        Ok(load(&self.engine.docker, self.store, &loading).await?)
    }

    fn parse(&self, package: &ReleasePackage) -> Result<(RepositoryName, Digest), ServeError> {
        let lost = || ServeError::Lost {
            package: package.name.clone(),
            digest: package.digest.clone(),
        };
        let repository = package.repository.parse().map_err(|_| lost())?;
        let digest = package.digest.parse().map_err(|_| lost())?;
        let reference = Reference::Digest(Digest::clone(&digest));
        match self.store.manifest(&repository, &reference) {
            Ok(Some(_)) => Ok((repository, digest)),
            Ok(None) => Err(lost()),
            Err(error) => Err(error.into()),
        }
    }

    /// This machine's part of an image: its manifest, and the digest of its configuration.
    fn here(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(Digest, String), ServeError> {
        let missing = || ServeError::Platform {
            image: format!("{repository}@{digest}"),
        };
        let reference = Reference::Digest(digest.clone());
        let found = self.store.manifest(repository, &reference)?;
        let found = found.ok_or_else(missing)?;
        if found.media_type == OCI_IMAGE_INDEX_MEDIA_TYPE {
            let index: OciImageIndex =
                serde_json::from_slice(&found.bytes).map_err(|_| missing())?;
            let here = ImagePlatform::here().architecture();
            let entry = index.manifests.iter().find(|entry| {
                let platform = entry.platform.as_ref();
                platform.is_some_and(|platform| platform.architecture.to_string() == here)
            });
            let child: Digest = entry
                .and_then(|entry| entry.digest.parse().ok())
                .ok_or_else(missing)?;
            return self.here(repository, &child);
        }
        let manifest: serde_json::Value =
            serde_json::from_slice(&found.bytes).map_err(|_| missing())?;
        let config = manifest["config"]["digest"].as_str().ok_or_else(missing)?;
        Ok((digest.clone(), config.to_owned()))
    }

    /// As a node does: by digest, which the engine checks. Then named, so that it is found again.
    async fn pull(
        &self,
        registry: SocketAddr,
        repository: &RepositoryName,
        digest: &Digest,
        name: &str,
    ) -> Result<(), String> {
        let docker = &self.engine.docker;
        let from = format!("{registry}/{repository}@{digest}");
        let options = CreateImageOptions {
            from_image: Some(from.clone()),
            ..CreateImageOptions::default()
        };
        let mut news = docker.create_image(Some(options), None, None);
        while let Some(news) = news.next().await {
            let news = news.map_err(|error| chain(&error))?;
            if let Some(error) = news.error_detail.and_then(|detail| detail.message) {
                return Err(error);
            }
        }
        let (repo, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let options = TagImageOptions {
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
        };
        let tagged = docker.tag_image(&from, Some(options)).await;
        tagged.map_err(|error| chain(&error))
    }
}

/// The engine lost an image right after it took it.
fn gone(name: &str) -> ServeError {
    ServeError::Platform {
        image: name.to_owned(),
    }
}

/// Returns the engine's name for images of a repository.
fn local(repository: &RepositoryName) -> String {
    local_image(repository.as_str())
}
