//! Containers that do one thing for fnlocal and are removed: describe code, try a program, delete
//! files. Bounded in time and in what they write, whatever runs inside.

use std::io;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::models::{Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::{
    AttachContainerOptions, InspectContainerOptions, UploadToContainerOptions, WaitContainerOptions,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::connect::Engine;
use super::container::user;

/// The exit code of a process that was killed: 128 and the signal.
const KILLED: i64 = 137;
/// Bytes of stderr that are kept; the rest is read and dropped.
const STDERR_BYTES: usize = 64 * 1024;

/// The maximum a helper may take.
#[derive(Clone, Copy, Debug)]
pub struct HelperLimits {
    /// From its start to its end.
    pub time: Duration,
    /// Bytes on stdout.
    pub stdout_bytes: usize,
}

/// The result of a helper.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i64,
    /// Everything on stdout.
    pub stdout: Vec<u8>,
    /// The first 64 KiB of stderr.
    pub stderr: Vec<u8>,
    /// `true` if the kernel killed a process because the memory limit was reached.
    pub out_of_memory: bool,
}

/// Why a helper did not come to its own end.
#[derive(Debug)]
pub enum HelperError {
    /// The engine refused.
    Engine(EngineError),
    /// The time was over.
    Time(Duration),
    /// More than this number of bytes came on stdout.
    Output(usize),
}

impl From<EngineError> for HelperError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// The user of helpers: the instances' own, and never root. Nothing is shared with the host, so
/// that not even an engine without root needs user 0.
pub fn helper_user(engine: &Engine) -> String {
    if engine.rootless {
        "1000:1000".to_owned()
    } else {
        user(engine)
    }
}

/// The same as numbers: the user's and the group's.
pub fn helper_ids(engine: &Engine) -> (u32, u32) {
    let user = helper_user(engine);
    let mut ids = user.split(':').map(|id| id.parse().unwrap_or(1000));
    (ids.next().unwrap_or(1000), ids.next().unwrap_or(1000))
}

/// An empty volume of a container's own, which is removed with it. Files can be put there although
/// the rest of the file system is read-only; they are root's, and a helper's user is not.
pub fn scratch(at: &str) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        target: Some(at.to_owned()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// Unpacks a tar in a folder of a container.
pub async fn put(
    docker: &Docker,
    id: &str,
    at: &str,
    tar: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<(), EngineError> {
    let options = UploadToContainerOptions {
        path: at.to_owned(),
        ..UploadToContainerOptions::default()
    };
    let body = bollard::body_try_stream(tar);
    docker.upload_to_container(id, Some(options), body).await
}

/// A tar that is in memory, for [`put`].
pub fn whole(tar: Vec<u8>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::iter([Ok(Bytes::from(tar))])
}

/// Starts a container that has been created and waits for its end. Removing it, which also ends what
/// still runs after an error, is left to the caller.
///
/// # Errors
/// [`HelperError`] when the engine refuses or a bound is reached.
pub async fn run(docker: &Docker, id: &str, bounds: HelperLimits) -> Result<Ran, HelperError> {
    let running = to_its_end(docker, id, bounds.stdout_bytes);
    match tokio::time::timeout(bounds.time, running).await {
        Ok(ran) => ran,
        Err(_) => Err(HelperError::Time(bounds.time)),
    }
}

async fn to_its_end(docker: &Docker, id: &str, most: usize) -> Result<Ran, HelperError> {
    let options = AttachContainerOptions {
        stream: true,
        stdout: true,
        stderr: true,
        ..AttachContainerOptions::default()
    };
    // Before the start, so that nothing is lost; the engine keeps no log.
    let mut output = docker.attach_container(id, Some(options)).await?.output;
    docker.start_container(id, None).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = output.next().await {
        match piece? {
            LogOutput::StdErr { message } => {
                let room = STDERR_BYTES.saturating_sub(stderr.len()).min(message.len());
                stderr.extend_from_slice(&message[..room]);
            }
            other => stdout.extend_from_slice(other.as_ref()),
        }
        if stdout.len() > most {
            return Err(HelperError::Output(most));
        }
    }
    let code = exit_code(docker, id).await?;
    let out_of_memory = code == KILLED && out_of_memory(docker, id).await;
    Ok(Ran {
        code,
        stdout,
        stderr,
        out_of_memory,
    })
}

async fn exit_code(docker: &Docker, id: &str) -> Result<i64, EngineError> {
    let mut ended = docker.wait_container(id, None::<WaitContainerOptions>);
    match ended.next().await {
        Some(Ok(end)) => Ok(end.status_code),
        // An exit code other than 0 comes as an error.
        Some(Err(EngineError::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error),
        None => Ok(0),
    }
}

/// Returns whether the engine says that a container's memory limit ended it.
async fn out_of_memory(docker: &Docker, id: &str) -> bool {
    let found = docker.inspect_container(id, None::<InspectContainerOptions>);
    let state = found.await.ok().and_then(|found| found.state);
    state.and_then(|state| state.oom_killed).unwrap_or(false)
}
