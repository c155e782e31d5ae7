//! Code described where it will run: in a container without network, with the limits and the user of
//! an instance, and with nothing in it but the image and the package's own files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bytes::Bytes;
use futures_util::Stream;

use super::Site;
use super::code::FOLDER;
use super::describe;
use super::error::{BuildError, ImportLimit};
use crate::error::engine;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{cover_volumes, created_by_us, hardened, tmpfs, without_network};
use fnlocal_engine::helper::{self, HelperError, HelperLimits, Ran};
use fnlocal_engine::naming;
use fnlocal_engine::reaper;
use fnlocal_project::{DescribedModule, Package};

/// Memory of the container in MiB. An instance's may be less, which then shows in the function.
const MEMORY_MIB: u32 = 1024;
/// Processes and threads, as an instance has.
const PIDS: i64 = 256;
const BOUNDS: HelperLimits = HelperLimits {
    time: Duration::from_mins(1),
    stdout_bytes: 4 << 20,
};
const WHAT: &str = "describing code in a container";

/// The package to describe.
pub(super) struct Subject<'a> {
    pub package: &'a Package,
    /// The image, by a name or an id of the engine.
    pub image: &'a str,
    /// The variables code finds, see [`describe::placeholders`].
    pub env: &'a BTreeMap<String, String>,
    /// The folder for files that the image does not have.
    pub at: &'a str,
}

/// Returns what a package exports, having imported it in a container of an image to which the files
/// of a tar are added.
pub(super) async fn describe(
    site: &Site<'_>,
    subject: &Subject<'_>,
    tar: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<Vec<DescribedModule>, BuildError> {
    let package = subject.package;
    let what = format!("asking {} for its functions", package.name);
    let engine_ = site.engine(&what).await?;
    let docker = &engine_.docker;
    let body = cover_volumes(docker, body(site, engine_, subject)).await;
    let made = docker.create_container(naming::new(&site.owner, "build"), body);
    let id = made.await.map_err(engine(WHAT))?.id;
    let ran = match helper::put(docker, &id, subject.at, tar).await {
        Ok(()) => helper::run(docker, &id, BOUNDS).await,
        Err(error) => Err(error.into()),
    };
    reaper::remove(docker, &id).await;
    said(package, ran)
}

fn said(
    package: &Package,
    ran: Result<Ran, HelperError>,
) -> Result<Vec<DescribedModule>, BuildError> {
    let limit = |limit| BuildError::ImportLimit {
        package: package.name.clone(),
        limit,
    };
    let ran = match ran {
        Ok(ran) if ran.out_of_memory => return Err(limit(ImportLimit::MemoryMib(MEMORY_MIB))),
        Ok(ran) => ran,
        Err(HelperError::Time(time)) => return Err(limit(ImportLimit::Time(time))),
        Err(HelperError::Output(bytes)) => return Err(limit(ImportLimit::OutputBytes(bytes))),
        Err(HelperError::Engine(error)) => return Err(engine(WHAT)(error).into()),
    };
    let described = describe::parse(package, &ran.stdout).ok_or_else(|| {
        let words = String::from_utf8_lossy(&ran.stderr);
        let why = match words.trim_end() {
            "" => format!(
                "importing its code ended the process with exit code {}",
                ran.code
            ),
            words => words.to_owned(),
        };
        BuildError::Describe {
            package: package.name.clone(),
            why,
        }
    })?;
    describe::failed(package, &described)?;
    Ok(described)
}

fn body(site: &Site<'_>, engine: &Engine, subject: &Subject<'_>) -> ContainerCreateBody {
    let package = subject.package;
    let settings = describe::settings(package, Path::new(FOLDER));
    let settings = settings.iter().map(|(key, value)| (*key, value.as_str()));
    let variables = subject
        .env
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    // Ours come last, so that a package cannot replace them.
    let all = variables.chain(settings).chain([("HOME", "/tmp")]);
    without_network(ContainerCreateBody {
        image: Some(subject.image.to_owned()),
        user: Some(helper::helper_user(engine)),
        env: Some(all.map(|(key, value)| format!("{key}={value}")).collect()),
        entrypoint: Some(package.language.entrypoint()),
        cmd: Some(vec!["--describe".to_owned()]),
        working_dir: Some(FOLDER.to_owned()),
        labels: Some(site.owner.labels("build", Some(&package.name))),
        host_config: Some(HostConfig {
            mounts: Some(vec![helper::scratch(subject.at)]),
            tmpfs: Some(tmpfs(MEMORY_MIB)),
            ..hardened(engine, MEMORY_MIB, PIDS)
        }),
        ..created_by_us()
    })
}
