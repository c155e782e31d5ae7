//! The choice of the runtime, and its reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnlocal_files::OwnPath;

use fnlocal_engine::OnProgress;
use fnlocal_engine::connect::{ConnectError, EngineVariables, connect};
use fnlocal_engine::identity::random_hex;
use fnlocal_engine::labels::{Owner, project_label};
use fnlocal_image::ImageError;
use fnlocal_image::ImageOptions;
use fnlocal_image::Images;
use fnlocal_language::Language;
use fnlocal_project::{Package, Project};
use fnlocal_runtime::docker::mounts::{self, Mounts};
use fnlocal_runtime::docker::volume::Volumes;
use fnlocal_runtime::open::{OpenError, Opener};
use fnlocal_runtime::process::{
    CodeCopies, InstancePrograms, ProcessError, ProcessOptions, ProcessRuntime,
};
use fnlocal_runtime::{Notices, PackageRun, Runtime, RuntimeError};

/// The requested runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Docker where it answers, else processes.
    #[default]
    Auto,
    /// Docker or nothing.
    Docker,
    Process,
}

/// A runtime, ready.
pub struct Selected {
    /// The runtime, for one node.
    pub runtime: Arc<dyn Runtime>,
    /// Opens others of the kind for other nodes.
    pub(crate) opener: Opener,
    /// Makes packages ready to run in it.
    pub preparer: Preparer,
    /// The choice and its reason, for people.
    pub why: String,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Docker was asked for and does not answer.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The base image is missing.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The runtime cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An interpreter is missing.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fnlocal_api::user_error!(SelectError: Unreachable [Connect, Open, Process] {
    Self::Image(error) => error.hint();
});

/// Makes packages ready to run: images for Docker, installed dependencies for processes.
#[derive(Clone)]
pub struct Preparer(PreparerKind);

#[derive(Clone)]
enum PreparerKind {
    Docker {
        images: Arc<Images>,
        /// Where the engine cannot mount code.
        volumes: Option<Arc<Volumes>>,
    },
    Process {
        deps: PathBuf,
        programs: Arc<InstancePrograms>,
        /// The code that processes run.
        copies: Arc<CodeCopies>,
    },
}

impl Preparer {
    /// Returns whether it makes images.
    #[must_use]
    pub fn makes_images(&self) -> bool {
        matches!(self.0, PreparerKind::Docker { .. })
    }

    /// Makes `package` ready to run. `code_root` is its code's folder, made if missing.
    ///
    /// # Errors
    /// [`ImageError`] when an image cannot be made or dependencies cannot be installed.
    pub async fn prepare(
        &self,
        package: &Package,
        code_root: PathBuf,
        env: BTreeMap<String, String>,
        progress: OnProgress<'_>,
    ) -> Result<PackageRun, PrepareError> {
        let code_root = match &self.0 {
            PreparerKind::Docker { .. } => code_root,
            PreparerKind::Process { copies, .. } => copies.of_package(&package.name),
        };
        // The user of an instance's container reads it.
        let made = OwnPath::new(&code_root).make_folder_with_mode(0o755);
        made.map_err(|source| ImageError::Io {
            path: code_root.clone(),
            source,
        })?;
        let image = match &self.0 {
            PreparerKind::Docker { images, .. } => {
                // Left by a run without Docker, it would lead nowhere inside.
                link(package.language, &code_root, None)?;
                images.ensure(package, progress).await?
            }
            PreparerKind::Process {
                deps,
                programs,
                copies,
            } => {
                let program = programs.of(package.language).await?;
                let version = &program.interpreter.version;
                let mut made = fnlocal_image::on_host(package, deps, version, progress).await?;
                if let Some(installed) = made {
                    let copies = Arc::clone(copies);
                    let modules = package.language.installed_folder();
                    let bring = move || copies.bring_dependencies(&installed, modules);
                    made = Some(copied(bring).await?);
                }
                link(package.language, &code_root, made.as_deref())?;
                String::new()
            }
        };
        Ok(PackageRun {
            name: package.name.clone(),
            language: package.language,
            image,
            code_root: Some(code_root),
            env,
        })
    }

    /// Brings a version of a package's code, a folder below its code's, to where instances are.
    /// Nothing to do where that folder is mounted; processes get a copy.
    ///
    /// # Errors
    /// [`PrepareError::Runtime`] when the engine does not take it.
    pub async fn bring(&self, package: &str, version: &Path) -> Result<(), PrepareError> {
        if let Some(copies) = self.copies() {
            let (name, from) = (package.to_owned(), version.to_owned());
            return copied(move || copies.bring(&name, &from)).await;
        }
        match self.volumes() {
            Some(volumes) => Ok(volumes.bring(package, version).await?),
            None => Ok(()),
        }
    }

    /// Removes versions that were brought, but for those named.
    ///
    /// # Errors
    /// [`PrepareError::Runtime`]; they stay until the next time then.
    pub async fn keep(&self, package: &str, kept: &[PathBuf]) -> Result<(), PrepareError> {
        if let Some(copies) = self.copies() {
            let (name, kept) = (package.to_owned(), kept.to_owned());
            return copied(move || copies.keep(&name, &kept)).await;
        }
        match self.volumes() {
            Some(volumes) => Ok(volumes.keep(package, kept).await?),
            None => Ok(()),
        }
    }

    /// Removes all that was brought, once nothing runs any more.
    pub async fn close(&self) {
        if let Some(volumes) = self.volumes() {
            volumes.close().await;
        }
        if let Some(copies) = self.copies() {
            let _left_to_the_next_run = tokio::task::spawn_blocking(move || copies.remove()).await;
        }
    }

    fn copies(&self) -> Option<Arc<CodeCopies>> {
        match &self.0 {
            PreparerKind::Docker { .. } => None,
            PreparerKind::Process { copies, .. } => Some(Arc::clone(copies)),
        }
    }

    fn volumes(&self) -> Option<&Volumes> {
        match &self.0 {
            PreparerKind::Docker { volumes, .. } => volumes.as_deref(),
            PreparerKind::Process { .. } => None,
        }
    }
}

/// Copies, off the gateway's thread.
async fn copied<T: Send + 'static>(
    copy: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, PrepareError> {
    let done = tokio::task::spawn_blocking(copy).await;
    let done = done.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    done.map_err(|source| {
        let why = source.to_string();
        let what = "copying code and dependencies for processes";
        PrepareError::Runtime(RuntimeError::Refused { what, why })
    })
}

/// Why a package cannot be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// Its image cannot be made, or its dependencies cannot be installed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its code does not get to where instances are.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Its interpreter is missing.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fnlocal_api::user_error!(PrepareError [Image, Runtime, Process] {});

/// Opens the runtime that was asked for, for the node of this name. `state` is the project's `.fnlocal`, which the caller
/// holds locked: what other runs of the project left in the engine is removed.
///
/// # Errors
/// [`SelectError`]; with [`Choice::Auto`] only when neither can be used.
pub async fn select(
    choice: Choice,
    mounts: Mounts,
    project: &Project,
    state: &Path,
    node: &str,
    notices: Notices,
    progress: OnProgress<'_>,
) -> Result<Selected, SelectError> {
    if choice == Choice::Process {
        let why = "processes, as asked for: less isolated";
        return process(project, state, notices, why).await;
    }
    let failed = match docker(project, state, mounts, node, notices.clone(), progress).await {
        Ok(selected) => return Ok(selected),
        Err(error) => error,
    };
    // An engine that exists but cannot be used is reported in full; its absence is no mistake.
    if choice == Choice::Docker {
        return Err(failed);
    }
    let why = format!("processes, less isolated than Docker: {failed}");
    process(project, state, notices, &why)
        .await
        .map_err(|_| failed)
}

async fn docker(
    project: &Project,
    state: &Path,
    mounts: Mounts,
    node: &str,
    notices: Notices,
    progress: OnProgress<'_>,
) -> Result<Selected, SelectError> {
    let engine = connect(&EngineVariables::from_env()).await?;
    let owner = owner(project, node);
    let images = Images::new(
        &engine,
        ImageOptions {
            base_image: project.config().build.base_image.clone(),
            project: project.name.clone(),
            owner: owner.clone(),
            interpreter: None,
        },
    )
    .with_install_time(project.config().build.install_time());
    let languages = project.languages();
    let language = languages.first().copied();
    let language = language.unwrap_or_else(fnlocal_language::usual);
    let base = images.base(language, progress).await?;
    let settled = mounts::settle(engine, &owner, &base.reference, state, mounts).await;
    let engine = settled.map_err(OpenError::from)?;
    let mut why = format!("{} with {}", engine.title, base.origin);
    let volumes = if engine.shares_folders {
        None
    } else {
        why.push_str(if mounts == Mounts::Copy {
            "; code is copied in, as asked for"
        } else {
            "; code is copied in, since the engine cannot mount this machine's folders"
        });
        let volumes = Volumes::new(engine.clone(), &owner, base.reference.clone(), language);
        Some(Arc::new(volumes))
    };
    let opener = Opener::docker(engine, owner, base.reference);
    let runtime = opener.open(node, notices, progress).await?;
    let images = Arc::new(images);
    let preparer = Preparer(PreparerKind::Docker { images, volumes });
    Ok(Selected {
        runtime,
        opener,
        preparer,
        why,
    })
}

async fn process(
    project: &Project,
    state: &Path,
    notices: Notices,
    why: &str,
) -> Result<Selected, SelectError> {
    let programs = Arc::new(InstancePrograms::new(state.to_owned()));
    for language in project.languages() {
        programs.of(language).await?;
    }
    let copies = CodeCopies::new().map_err(|source| ProcessError::Io {
        path: std::env::temp_dir(),
        source,
    })?;
    let copies = Arc::new(copies);
    let options = ProcessOptions {
        programs: Arc::clone(&programs),
        sockets: None,
        copies: Some(Arc::clone(&copies)),
    };
    let runtime = ProcessRuntime::open(options, notices).await?;
    let kind = PreparerKind::Process {
        deps: state.join("deps"),
        programs: Arc::clone(&programs),
        copies: Arc::clone(&copies),
    };
    Ok(Selected {
        runtime: Arc::new(runtime),
        opener: Opener::process(programs, copies),
        preparer: Preparer(kind),
        why: why.to_owned(),
    })
}

/// Returns the label of a project's new run in the engine.
pub(crate) fn owner(project: &Project, node: &str) -> Owner {
    Owner {
        project: project_label(&project.name, &project.root),
        folder: project.root.display().to_string(),
        run: random_hex(4),
        node: node.to_owned(),
    }
}

/// Makes the folder of dependencies beside the code lead to the installed ones, or removes such a
/// link.
fn link(language: &dyn Language, code_root: &Path, deps: Option<&Path>) -> Result<(), ImageError> {
    let at = code_root.join(language.installed_folder());
    let fail = |source| ImageError::Io {
        path: at.clone(),
        source,
    };
    let wanted = deps.map(|deps| deps.join(language.installed_folder()));
    if std::fs::read_link(&at).ok() == wanted {
        return Ok(());
    }
    match std::fs::remove_file(&at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    match wanted {
        Some(wanted) => std::os::unix::fs::symlink(wanted, &at).map_err(fail),
        None => Ok(()),
    }
}
