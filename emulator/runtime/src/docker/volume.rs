//! A package's code in a volume of the engine, which takes the place of the folder of its versions
//! where that cannot be mounted.
//!
//! Files are put in through a container that mounts the volume writable and never runs; instances
//! mount it read-only. A version has a temporary name until all of it is there. Unchanged files are
//! linked to the version before, so that a save sends only its changes.

mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, VolumeCreateRequest,
};
use bollard::query_parameters::UploadToContainerOptions;
use tokio::sync::Mutex;

use super::container::CODE;
use crate::RuntimeError;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{created_by_us, hardened, without_network};
use fnlocal_engine::error::refused;
use fnlocal_engine::helper::{self, HelperError, HelperLimits};
use fnlocal_engine::identity::fit;
use fnlocal_engine::identity::short_hash;
use fnlocal_engine::labels::Owner;
use fnlocal_engine::naming;
use fnlocal_engine::reaper;
use fnlocal_engine::sending;
use fnlocal_language::Language;

/// The node whose name these bear: they outlive every node of the run.
const NODE: &str = "code";
/// Versions nobody needs any more, before they are removed: that takes a container.
const STALE: usize = 16;
/// For a container that removes files, which the interpreter does: a base need not have more.
const MEMORY_MIB: u32 = 256;
const PIDS: i64 = 64;
const BOUNDS: HelperLimits = HelperLimits {
    time: Duration::from_mins(1),
    stdout_bytes: 64 * 1024,
};

/// The volumes of a run.
pub struct Volumes {
    engine: Engine,
    owner: Owner,
    /// A local image with the interpreter: the base.
    image: String,
    /// The base's language.
    language: &'static dyn Language,
    packages: Mutex<BTreeMap<String, Copied>>,
}

/// The contents of a volume.
struct Copied {
    /// The container files are put in through.
    loader: String,
    /// Versions by name, the newest last.
    versions: Vec<PathBuf>,
}

/// The mount of a package's volume, in whatever node of the run.
pub(super) fn mount(owner: &Owner, package: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name(owner, package)),
        target: Some(CODE.to_owned()),
        read_only: Some(read_only),
        volume_options: Some(MountVolumeOptions {
            // Else the engine begins by copying what the image has there.
            no_copy: Some(true),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

fn name(owner: &Owner, package: &str) -> String {
    let hash = short_hash(&[package.as_bytes()]);
    format!("fnlocal-{}-{}-{hash}", owner.run, fit(package))
}

impl Volumes {
    /// `image` is a base of a language.
    pub fn new(
        engine: Engine,
        owner: &Owner,
        image: String,
        language: &'static dyn Language,
    ) -> Self {
        Self {
            engine,
            owner: owner.on(NODE),
            image,
            language,
            packages: Mutex::default(),
        }
    }

    /// Puts a version into its package's volume, under the name of its folder. Nothing to do for
    /// one that is there.
    ///
    /// # Errors
    /// [`RuntimeError`] when the engine does not take it.
    pub async fn bring(&self, package: &str, version: &Path) -> Result<(), RuntimeError> {
        let mut packages = self.packages.lock().await;
        if !packages.contains_key(package) {
            let copied = self.open(package).await?;
            packages.insert(package.to_owned(), copied);
        }
        let Some(copied) = packages.get_mut(package) else {
            return Ok(());
        };
        if copied.versions.iter().any(|known| known == version) {
            return Ok(());
        }
        let near = copied.versions.iter().rev().find(|known| known.is_dir());
        let mut put = self.put(&copied.loader, version, near.cloned()).await;
        if put.is_err() {
            // The container, or the target of a link, may have been removed.
            reaper::remove(&self.engine.docker, &copied.loader).await;
            *copied = self.open(package).await?;
            put = self.put(&copied.loader, version, None).await;
        }
        put?;
        copied.versions.push(version.to_owned());
        Ok(())
    }

    /// Removes all versions but those named, once that is worth it.
    ///
    /// # Errors
    /// [`RuntimeError`]; they stay until the next time then.
    pub async fn keep(&self, package: &str, kept: &[PathBuf]) -> Result<(), RuntimeError> {
        let mut packages = self.packages.lock().await;
        let Some(copied) = packages.get_mut(package) else {
            return Ok(());
        };
        let newest = copied.versions.last();
        let stale = |one: &&PathBuf| !kept.contains(one) && Some(*one) != newest;
        let stale: Vec<PathBuf> = copied.versions.iter().filter(stale).cloned().collect();
        if stale.len() < STALE {
            return Ok(());
        }
        self.remove(package, &stale).await?;
        copied.versions.retain(|one| !stale.contains(one));
        Ok(())
    }

    /// Removes the volumes, which no container may use any more.
    pub async fn close(&self) {
        self.packages.lock().await.clear();
        reaper::remove_own(&self.engine.docker, &self.owner).await;
    }

    /// Makes a package's volume if there is none, and the container it is filled through.
    async fn open(&self, package: &str) -> Result<Copied, RuntimeError> {
        let docker = &self.engine.docker;
        let request = VolumeCreateRequest {
            name: Some(name(&self.owner, package)),
            labels: Some(self.owner.labels("code", Some(package))),
            ..VolumeCreateRequest::default()
        };
        let made = docker.create_volume(request).await;
        made.map_err(refused("creating a volume"))?;
        let body = self.container(package, vec!["true".to_owned()]);
        let loader = docker
            .create_container(naming::new(&self.owner, "code"), body)
            .await;
        Ok(Copied {
            loader: loader.map_err(refused("creating a container for code"))?.id,
            versions: Vec::new(),
        })
    }

    fn container(&self, package: &str, command: Vec<String>) -> ContainerCreateBody {
        without_network(ContainerCreateBody {
            image: Some(self.image.clone()),
            user: Some("0:0".to_owned()),
            entrypoint: Some(command),
            cmd: Some(Vec::new()),
            labels: Some(self.owner.labels("code", Some(package))),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount(&self.owner, package, false)]),
                ..hardened(&self.engine, MEMORY_MIB, PIDS)
            }),
            ..created_by_us()
        })
    }

    async fn put(
        &self,
        loader: &str,
        version: &Path,
        near: Option<PathBuf>,
    ) -> Result<(), RuntimeError> {
        let what = "copying code into the engine";
        let version = version.to_owned();
        let (pieces, writing) =
            sending::pieces(move |out| version::write(out, &version, near.as_deref()));
        let options = UploadToContainerOptions {
            path: CODE.to_owned(),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_try_stream(pieces);
        let docker = &self.engine.docker;
        let sent = docker
            .upload_to_container(loader, Some(options), body)
            .await;
        let written = match writing.await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        // The engine's answer says more than that it hung up.
        sent.map_err(refused(what))?;
        written.map_err(|why| RuntimeError::Refused { what, why })
    }

    async fn remove(&self, package: &str, versions: &[PathBuf]) -> Result<(), RuntimeError> {
        let what = "removing old code from the engine";
        let docker = &self.engine.docker;
        let names = versions.iter().filter_map(|one| one.file_name());
        let paths = names.map(|name| format!("{CODE}/{}", name.display()));
        let body = self.container(package, self.language.removal(paths.collect()));
        let made = docker
            .create_container(naming::new(&self.owner, "code"), body)
            .await;
        let id = made.map_err(refused(what))?.id;
        let ran = helper::run(docker, &id, BOUNDS).await;
        reaper::remove(docker, &id).await;
        match ran {
            Ok(ran) if ran.code == 0 => Ok(()),
            Ok(ran) => Err(RuntimeError::Refused {
                what,
                why: String::from_utf8_lossy(&ran.stderr).trim_end().to_owned(),
            }),
            Err(HelperError::Engine(error)) => Err(refused(what)(error).into()),
            Err(HelperError::Time(_) | HelperError::Output(_)) => Err(RuntimeError::Refused {
                what,
                why: format!("it took more than {} s", BOUNDS.time.as_secs()),
            }),
        }
    }
}
