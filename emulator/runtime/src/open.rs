//! A runtime for each node of a run.

use std::sync::Arc;

use super::docker::{DockerOptions, DockerRuntime};
use super::process::{CodeCopies, InstancePrograms, ProcessError, ProcessOptions, ProcessRuntime};
use super::{Notices, Runtime, RuntimeError};
use fnlocal_engine::OnProgress;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::labels::Owner;

/// Opens runtimes of one kind for the nodes of one run. The run is part of what they are known by:
/// a node that opens later leaves alone what the others run.
#[derive(Clone)]
pub struct Opener(RuntimeBackend);

#[derive(Clone)]
enum RuntimeBackend {
    Docker(Box<Containers>),
    Process {
        programs: Arc<InstancePrograms>,
        copies: Arc<CodeCopies>,
    },
}

#[derive(Clone)]
struct Containers {
    engine: Engine,
    owner: Owner,
    base_image: String,
}

/// Why a node has no runtime.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine answers, but not as needed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// An interpreter is missing.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fnlocal_api::user_error!(OpenError [Runtime, Process] {});

impl Opener {
    /// Containers of `owner`'s run, but for its node's name.
    pub fn docker(engine: Engine, owner: Owner, base_image: String) -> Self {
        let containers = Containers {
            engine,
            owner,
            base_image,
        };
        Self(RuntimeBackend::Docker(Box::new(containers)))
    }

    /// Processes of `programs` that run `copies`.
    pub fn process(programs: Arc<InstancePrograms>, copies: Arc<CodeCopies>) -> Self {
        Self(RuntimeBackend::Process { programs, copies })
    }

    /// Opens the runtime of a node. `progress` receives the steps that are worth a line.
    pub async fn open(
        &self,
        node: &str,
        notices: Notices,
        progress: OnProgress<'_>,
    ) -> Result<Arc<dyn Runtime>, OpenError> {
        match &self.0 {
            RuntimeBackend::Docker(containers) => {
                let Containers {
                    engine,
                    owner,
                    base_image,
                } = &**containers;
                let owner = Owner {
                    node: node.to_owned(),
                    ..owner.clone()
                };
                let options = DockerOptions::new(owner, base_image.clone());
                let opened = DockerRuntime::open(engine.clone(), options, notices).await;
                let (runtime, reaped) = opened?;
                if reaped.containers > 0 {
                    progress(format!(
                        "removed {} containers a former run left behind",
                        reaped.containers
                    ));
                }
                Ok(Arc::new(runtime))
            }
            RuntimeBackend::Process { programs, copies } => {
                let options = ProcessOptions {
                    programs: Arc::clone(programs),
                    sockets: None,
                    copies: Some(Arc::clone(copies)),
                };
                let runtime = ProcessRuntime::open(options, notices).await?;
                Ok(Arc::new(runtime))
            }
        }
    }
}
