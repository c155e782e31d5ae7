//! The check whether the engine can mount folders of this system: it looks for a file there.
//!
//! An engine on another machine cannot, one in a virtual machine only those it shares, and one in a
//! container of its own sees another file system under the same names.

use std::io;
use std::path::Path;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::ContainerArchiveInfoOptions;
use fnlocal_files::OwnPath;

use crate::RuntimeError;
use crate::place::default_base;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{created_by_us, hardened, without_network};
use fnlocal_engine::error::refused;
use fnlocal_engine::labels::Owner;
use fnlocal_engine::naming;
use fnlocal_engine::reaper;

/// How code gets into instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mounts {
    /// Mounted where the engine can, else copied in.
    #[default]
    Auto,
    /// Copied in, whatever the engine can.
    Copy,
}

/// Where the folder is in the container that is asked.
const THERE: &str = "/look";
/// The file looked for.
const FILE: &str = "here";
/// For a container that never runs.
const MEMORY_MIB: u32 = 32;
const PIDS: i64 = 32;

/// The engine, with what is known of mounts in it: of those of `folder`, and of the instances'
/// sockets. `image` is a local one.
///
/// # Errors
/// When the engine does not answer, or the folder cannot be written to.
pub async fn settle(
    mut engine: Engine,
    owner: &Owner,
    image: &str,
    folder: &Path,
    wanted: Mounts,
) -> Result<Engine, RuntimeError> {
    let looking = Looking {
        owner,
        image,
        engine: engine.clone(),
    };
    engine.shares_folders = wanted == Mounts::Auto && looking.sees(folder).await?;
    // Where they go is another folder, which may not be shared even if the project's is.
    engine.shares_sockets =
        engine.shares_sockets && engine.shares_folders && looking.sees(&default_base()).await?;
    Ok(engine)
}

struct Looking<'a> {
    engine: Engine,
    owner: &'a Owner,
    image: &'a str,
}

impl Looking<'_> {
    /// Returns whether a new file in a folder is visible in a container that mounts it.
    async fn sees(&self, folder: &Path) -> Result<bool, RuntimeError> {
        let failed = |error: io::Error| RuntimeError::Refused {
            what: "looking whether the engine sees this system's folders",
            why: format!("{}: {error}", folder.display()),
        };
        OwnPath::new(folder).make_folder().map_err(failed)?;
        let fresh = tempfile::Builder::new()
            .prefix("look-")
            .tempdir_in(folder)
            .map_err(failed)?;
        std::fs::write(fresh.path().join(FILE), b"").map_err(failed)?;
        let docker = &self.engine.docker;
        let body = self.body(fresh.path());
        let id = match docker
            .create_container(naming::new(self.owner, "look"), body)
            .await
        {
            Ok(made) => made.id,
            // The engine says so if it cannot mount. The next call reports other errors.
            Err(error) if is_answer(&error) => return Ok(false),
            Err(error) => return Err(refused("creating a container")(error).into()),
        };
        let options = ContainerArchiveInfoOptions {
            path: format!("{THERE}/{FILE}"),
        };
        let found = docker.get_container_archive_info(&id, Some(options)).await;
        reaper::remove(docker, &id).await;
        match found {
            Ok(_) => Ok(true),
            Err(error) if is_answer(&error) => Ok(false),
            Err(error) => Err(refused("looking into a container")(error).into()),
        }
    }

    fn body(&self, folder: &Path) -> ContainerCreateBody {
        let mount = Mount {
            typ: Some(MountType::BIND),
            source: Some(folder.display().to_string()),
            target: Some(THERE.to_owned()),
            read_only: Some(true),
            ..Mount::default()
        };
        without_network(ContainerCreateBody {
            image: Some(self.image.to_owned()),
            entrypoint: Some(vec!["true".to_owned()]),
            labels: Some(self.owner.labels("look", None)),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                ..hardened(&self.engine, MEMORY_MIB, PIDS)
            }),
            ..created_by_us()
        })
    }
}

fn is_answer(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { .. }
    )
}
