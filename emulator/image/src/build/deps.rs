//! Dependencies as a layer: installed in a container of the base, taken out, known by a record.

use std::fs::File;
use std::io::{self, Read};

use bollard::Docker;
use bollard::query_parameters::DownloadFromContainerOptions;
use fnlocal_registry::RepositoryName;
use futures_util::TryStreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::error::{BuildError, bug};
use super::report::{BuildProgress, LayerPart};
use super::{Site, bases};
use crate::Root;
use crate::install::Installer;
use crate::oci::base::StoredBase;
use crate::oci::layer::{self, Layer};
use crate::oci::manifest::ImagePlatform;
use crate::oci::modules;
use crate::plan;
use fnlocal_engine::identity::short_hash;
use fnlocal_engine::reaper;
use fnlocal_language::{InstallPlan, Language};
use fnlocal_project::{Package, Warning};

/// A change of how dependencies become a layer makes them anew.
const RECIPE: &[u8] = b"2";

/// Bytes of installed dependencies that are taken into an image.
const MODULES_BYTES: u64 = 8 << 30;

/// The layer of a package's dependencies and whether it was there; nothing when it has none.
pub(super) async fn layer(
    site: &Site<'_>,
    package: &Package,
    base: &StoredBase,
    platform: ImagePlatform,
    repository: &RepositoryName,
) -> Result<Option<(Layer, bool)>, BuildError> {
    let Some(wanted) = plan::read(package)? else {
        return Ok(None);
    };
    if let Some(warning) = wanted.warning() {
        site.report(BuildProgress::Warning(Warning {
            text: format!(
                "package {}: {warning}: this build cannot be repeated",
                package.name
            ),
            hint: Some("commit the lock file of the package".to_owned()),
        }));
    }
    for note in wanted.notes() {
        site.report(BuildProgress::Note(format!(
            "package {}: {note}",
            package.name
        )));
    }
    let target = platform.to_string();
    let mut parts = wanted.parts();
    // The package's own scripts may read all of its code, and the same input gives the same layer.
    let code = plan::code(package, wanted.as_ref())?;
    for file in &code {
        parts.extend([file.path.as_bytes(), &file.bytes]);
    }
    parts.extend([RECIPE, base.id.as_bytes(), target.as_bytes()]);
    let key = short_hash(&parts);
    if let Some((from, layer)) = site.records.get::<(RepositoryName, Layer)>("deps", &key)
        && site.has(&layer, &from, repository)?
    {
        return Ok(Some((layer, true)));
    }
    site.report(BuildProgress::Began {
        package: package.name.clone(),
        part: LayerPart::Deps,
    });
    let layer = install(site, package, wanted.as_ref(), (base, platform), repository).await?;
    site.records.put("deps", &key, &(repository, &layer));
    Ok(Some((layer, false)))
}

async fn install(
    site: &Site<'_>,
    package: &Package,
    wanted: &dyn InstallPlan,
    (base, platform): (&StoredBase, ImagePlatform),
    repository: &RepositoryName,
) -> Result<Layer, BuildError> {
    let here = ImagePlatform::here();
    let foreign = platform != here;
    if foreign && !wanted.installs_for_others() {
        return Err(BuildError::Foreign {
            what: format!("what {} installs for {}", wanted.manager(), package.name),
            platform,
        });
    }
    let what = format!("installing the dependencies of {}", package.name);
    let engine = site.engine(&what).await?;
    let docker = &engine.docker;
    // A package manager chooses what is for another platform, but runs only on this one.
    let own = if foreign {
        Some(bases::get(site, package.language, here).await?.0)
    } else {
        None
    };
    let base = own.as_ref().unwrap_or(base);
    let base = base.in_engine(docker, &site.store).await?;
    let installer = Installer {
        engine,
        owner: &site.owner,
        base: &base,
        package,
        target: foreign.then_some(platform),
        time: site.project.config().build.install_time(),
    };
    let id = installer.create().await?;
    let progress = |text| site.report(BuildProgress::Note(text));
    let installed = installer.install(&id, Root::default(), wanted, &progress);
    let taken = match installed.await {
        Ok(()) => take_out(site, docker, &id, package.language).await,
        Err(error) => Err(error.into()),
    };
    reaper::remove(docker, &id).await;
    let (store, repository, tar) = (site.store.clone(), repository.clone(), taken?);
    let package = package.clone();
    let packed =
        tokio::task::spawn_blocking(move || modules::pack(&store, &repository, &package, tar));
    Ok(packed.await.map_err(bug)??)
}

/// The installed dependencies of a container, as the engine's tar of them.
async fn take_out(
    site: &Site<'_>,
    docker: &Docker,
    id: &str,
    language: &dyn Language,
) -> Result<File, BuildError> {
    let installed = language.installed_folder();
    let options = DownloadFromContainerOptions {
        path: format!("/{installed}"),
    };
    let stream = docker.download_from_container(id, Some(options));
    let stream = Box::pin(stream.map_err(io::Error::other));
    let mut reader = SyncIoBridge::new(StreamReader::new(stream));
    let folder = site.records.folder().to_owned();
    let spooled = tokio::task::spawn_blocking(move || {
        fnlocal_files::OwnPath::new(&folder).make_folder()?;
        let mut file = tempfile::tempfile_in(&folder)?;
        let copied = io::copy(&mut reader.by_ref().take(MODULES_BYTES), &mut file)?;
        if copied == MODULES_BYTES {
            let why = format!("{installed} holds more than {} GiB", MODULES_BYTES >> 30);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(file)
    });
    Ok(spooled.await.map_err(bug)?.map_err(layer::full)?)
}
