//! The runtimes of instances: containers of a Docker engine, or plain processes.
#![warn(clippy::disallowed_macros)]

pub mod docker;
mod family;
pub mod leftovers;
pub mod lines;
pub mod listener;
pub mod open;
pub mod place;
pub mod process;
pub mod rate;
pub mod ready;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::InstanceId;
use fnlocal_engine::EngineError;
use fnlocal_files::OwnPath;
use fnlocal_language::Language;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

pub use listener::InstanceListener;

/// Runs instances. One per node, shared by all its tasks.
///
/// Every call may be made from several tasks at once. An instance is known from [`Runtime::start`]
/// until [`Runtime::stop`] returned or its end was sent as a [`Notice`]; calls about an unknown one do
/// nothing.
pub trait Runtime: Send + Sync + 'static {
    /// `docker` or `process`, for people.
    fn name(&self) -> &'static str;

    /// Makes ready whatever can be made before an instance of the package is asked for: a network
    /// sandbox, a container created ahead. Called again whenever stock may have been used up.
    fn stock(&self, package: Arc<PackageRun>, memory_mib: u32) -> BoxFuture<'_, ()>;

    /// Creates and boots one instance and returns when its wrapper answers.
    ///
    /// # Errors
    /// [`RuntimeError`]; nothing of the instance remains then.
    fn start(&self, spec: StartSpec) -> BoxFuture<'_, Result<Started, RuntimeError>>;

    /// Names the instance after the function it serves from here on, for people who look at what
    /// runs. Nothing depends on it.
    fn name_after(&self, _instance: InstanceId, _function: Arc<str>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Takes the processor away.
    fn pause(&self, instance: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// Gives the processor back.
    fn resume(&self, instance: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// Asks the instance to end, kills it after `grace` (at once when zero, also when paused), and
    /// returns when nothing of it remains. No end is sent for an instance being stopped.
    fn stop(&self, instance: InstanceId, grace: Duration) -> BoxFuture<'_, ()>;

    /// Ends and removes everything this runtime started.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// A package as a runtime needs it. Made anew when dependencies change.
#[derive(Debug)]
pub struct PackageRun {
    /// The package's name, for labels.
    pub name: String,
    /// The language it is written in.
    pub language: &'static dyn Language,
    /// Image with base, wrapper and dependencies; empty for the process runtime.
    pub image: String,
    /// Folder whose sub-folders are the package's code, one per hash; `/app` inside an instance.
    /// None when the code is in the image.
    pub code_root: Option<PathBuf>,
    /// Environment all functions of the package share.
    pub env: BTreeMap<String, String>,
}

impl PackageRun {
    /// Refuses a folder of code that a link leads to. An engine follows links, and a checkout may have
    /// put one there since the folder was made.
    pub fn check_code_root(&self) -> Result<(), RuntimeError> {
        let checked = self
            .code_root
            .as_deref()
            .map(|root| OwnPath::new(root).check_folder());
        checked
            .unwrap_or(Ok(()))
            .map_err(|error| RuntimeError::Refused {
                what: "finding the code",
                why: error.to_string(),
            })
    }
}

/// The specification of a start.
#[derive(Clone, Debug)]
pub struct StartSpec {
    /// Its name.
    pub instance: InstanceId,
    /// Of what package.
    pub package: Arc<PackageRun>,
    /// Memory limit, in MiB.
    pub memory_mib: u32,
}

/// A booted instance.
#[derive(Clone, Debug)]
pub struct Started {
    /// How its wrapper is reached.
    pub address: Address,
    /// Proof, for the wrapper's control calls, that the platform is calling (`x-fnlocal-token`).
    pub token: String,
    /// Folder of the package's code as the instance sees it (`/app` in a container).
    pub code_root: String,
    /// Time spent on creating and starting it.
    pub create: Duration,
    /// Time from then until its wrapper answered.
    pub boot: Duration,
    /// The most memory it can have, in bytes.
    pub max_memory_bytes: u64,
}

/// The argument by which a wrapper knows that it is an instance, whose token is the first line of its
/// stdin and whose end is stdin's. One that was built before does not know it, and ends.
pub const AS_INSTANCE: &str = "--instance";

/// The arguments of an interpreter that make it an instance. `wrapper` is the wrapper's file.
pub(crate) fn instance_arguments(
    language: &dyn Language,
    memory_mib: u32,
    wrapper: &str,
) -> Vec<String> {
    let mut words = language.memory_arguments(memory_mib);
    words.extend([wrapper, AS_INSTANCE].map(str::to_owned));
    words
}

/// How a wrapper is reached.
#[derive(Clone, Debug)]
pub enum Address {
    /// The instance dials a socket of ours in a folder of this instance alone.
    Dialed(InstanceListener),
    /// A port published on 127.0.0.1, where sockets cannot cross into the engine's machine.
    Tcp(std::net::SocketAddr),
}

impl Address {
    /// Ends all waiting for connections: the instance has ended.
    pub fn close(&self) {
        if let Self::Dialed(listener) = self {
            listener.close();
        }
    }
}

/// A notice of a runtime.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An instance ended by itself; nothing of it remains.
    Exit {
        /// The instance.
        instance: InstanceId,
        end: End,
    },
    /// A line an instance wrote to its real stdout or stderr, not through the wrapper.
    Line {
        /// The instance.
        instance: InstanceId,
        /// On stderr.
        stderr: bool,
        /// Without its line feed.
        line: String,
    },
    /// The engine stopped answering, or answers again.
    Engine {
        /// `true` if the engine answers.
        up: bool,
        /// The text for the person.
        message: String,
    },
}

/// Why an instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// For people: `exit code 1`, `memory limit exceeded`, `killed by signal 9`.
    pub reason: String,
    /// This platform, or its engine's own end, ended the instance. A signal that comes from
    /// elsewhere may be the function's own doing, and is taken for it.
    pub outside: bool,
}

/// Sender half of a runtime's notices. Bounded: a flood of lines waits in the engine's pipe.
pub type Notices = mpsc::Sender<Notice>;

/// Why an instance could not be started, paused or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The engine does not answer, or refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A part of the machine refused.
    #[error("{what}: {why}")]
    Refused {
        /// The attempted call.
        what: &'static str,
        /// The engine's message.
        why: String,
    },
    /// The image's wrapper speaks another protocol.
    #[error(
        "an older fnlocal built the image {image}, and its wrapper does not know this one's way of starting it"
    )]
    OldImage {
        /// The image.
        image: String,
    },
    /// The instance ended or stayed silent while booting.
    #[error("the instance did not come up: {why}{}", quoted(wrote))]
    NotUp {
        why: String,
        /// The last lines of its stderr, which are not for clients.
        wrote: String,
    },
}

impl RuntimeError {
    fn not_up(why: impl Into<String>) -> Self {
        Self::NotUp {
            why: why.into(),
            wrote: String::new(),
        }
    }

    /// Returns the error without what the instance wrote: clients of functions see it.
    #[must_use]
    pub fn without_output(&self) -> String {
        match self {
            Self::NotUp { why, .. } => Self::not_up(why).to_string(),
            other => other.to_string(),
        }
    }
}

fn quoted(wrote: &str) -> String {
    match wrote {
        "" => String::new(),
        wrote => format!("; it wrote:\n{wrote}"),
    }
}

fnlocal_api::user_error!(RuntimeError: Unreachable [Engine] {
    Self::Refused { .. } => "`fnlocal doctor` checks what this machine lacks";
    Self::OldImage { .. } => "build it again with `fnlocal build`";
    Self::NotUp { .. } => "code outside the handlers must not block or end the process";
});

/// Returns the meaning of an exit code, for people, in every runtime. Shells and inits report a
/// signal as 128 and its number.
pub fn exit_text(code: i64) -> String {
    match code {
        129..=192 => format!("killed by signal {}", code - 128),
        _ => format!("exit code {code}"),
    }
}
