//! Instances as plain processes: for machines without Docker.
//!
//! Less isolated, and announced so: an instance sees the person's files and network, and only the
//! interpreter's heap is limited. Like the Docker runtime, this one gives an instance an environment and
//! a process group of its own, sockets only its owner can reach, and an end together with fnlocal.

mod child;
mod copies;
mod folders;
mod programs;
mod shared_tree;
mod watchdog;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fnlocal_core::InstanceId;
use fnlocal_language::Language;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

pub use self::copies::CodeCopies;
pub use self::programs::{InstanceProgram, InstancePrograms};

use self::child::{Signal, signal};
use self::folders::InstanceFolders;
use self::programs::inherited;
use self::watchdog::Watchdog;
use super::family::{self, Family};
use super::leftovers;
use super::lines::StderrTail;
use fnlocal_engine::identity::random_hex;

use super::place::{RunFolder, SOCKET, default_base, temporary_base};
use super::{
    Address, InstanceListener, Notices, PackageRun, Runtime, RuntimeError, StartSpec, Started,
    instance_arguments, ready,
};

/// The maximum of a function's `memory` in MiB. Only the interpreter's heap is limited, so a process
/// may have more than the function's own.
const MAX_MEMORY_MIB: u64 = 65_536;
/// For a killed process to be gone.
const KILLED: Duration = Duration::from_secs(5);

/// How a [`ProcessRuntime`] works.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// The programs that instances run.
    pub programs: Arc<InstancePrograms>,
    /// Where socket folders go; `None` for the usual place.
    pub sockets: Option<PathBuf>,
    /// The copies of code that instances run, if theirs are copies.
    pub copies: Option<Arc<CodeCopies>>,
}

/// Why processes cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// No interpreter.
    #[error("{} cannot be run ({}): {why}", language.program(), program.display())]
    NoInterpreter {
        /// Of which language.
        language: &'static dyn Language,
        /// The program.
        program: PathBuf,
        /// Why not.
        why: String,
    },
    /// Files cannot be written.
    #[error("could not write {}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

fnlocal_api::user_error!(ProcessError: Unreachable {
    Self::NoInterpreter { language, .. } => language.no_program_hint();
    Self::Io { .. } => "make the folder writable, or set XDG_RUNTIME_DIR to one that is";
});

/// Runs instances as processes.
pub struct ProcessRuntime {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    programs: Arc<InstancePrograms>,
    place: RunFolder,
    /// Temporary files of instances.
    temporary: RunFolder,
    copies: Option<Arc<CodeCopies>>,
    notices: Notices,
    /// Clears up should this process be killed.
    watchdog: Option<Watchdog>,
    live: Mutex<BTreeMap<InstanceId, LiveProcess>>,
}

#[derive(Debug)]
pub(crate) struct LiveProcess {
    pid: u32,
    address: Address,
    _folders: InstanceFolders,
    /// The mark of its descendants.
    mark: String,
    memory_mib: u32,
    /// `true` if the process answers and is not being stopped: its end is news.
    running: bool,
    tail: StderrTail,
    ended: watch::Sender<Option<String>>,
}

impl ProcessRuntime {
    /// Makes folders for sockets and temporary files.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn open(options: ProcessOptions, notices: Notices) -> Result<Self, ProcessError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| ProcessError::Io { path, source }
        };
        let base = options.sockets.unwrap_or_else(default_base);
        let _cleared = tokio::task::spawn_blocking(|| leftovers::clear(false)).await;
        let run = random_hex(4);
        let place = RunFolder::new(&base, &run).map_err(fail(&base))?;
        let temporary = match temporary_base() {
            same if same == base => place.clone(),
            other => RunFolder::new(&other, &run).map_err(fail(&other))?,
        };
        let mut folders = vec![place.folder(), temporary.folder()];
        folders.extend(options.copies.iter().map(|copies| copies.folder()));
        let watchdog = Watchdog::start(&run, &folders);
        let live = Mutex::default();
        let inner = Inner {
            programs: options.programs,
            place,
            temporary,
            copies: options.copies,
            notices,
            watchdog,
            live,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceId, LiveProcess>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(self: &Arc<Self>, spec: StartSpec) -> Result<Started, RuntimeError> {
        let begun = Instant::now();
        let refused = |what| {
            move |error: std::io::Error| RuntimeError::Refused {
                what,
                why: error.to_string(),
            }
        };
        let name = spec.instance.0.to_string();
        let mut folders = InstanceFolders::default();
        let folder = self.place.instance(&name);
        let folder = folder.map_err(refused("making a folder for a socket"))?;
        folders.0.push(folder.clone());
        let temporary = self.temporary.private(&format!("tmp-{name}"));
        let temporary = temporary.map_err(refused("making a folder for temporary files"))?;
        folders.0.push(temporary.clone());
        let mark = family::mark(self.place.run(), &name);
        let token = random_hex(16);
        let address = address(&folder).map_err(refused("making a socket"))?;
        let code_root = self.code_root(&spec.package).await?;
        let program = self.program(spec.package.language).await?;
        let mut command = command(&program, &spec, code_root, &address);
        command.env(family::MARK, &mark);
        // The person's own settings come first.
        if !spec.package.env.contains_key("TMPDIR") {
            command.env("TMPDIR", &temporary);
        }
        let mut child = command.spawn().map_err(refused("starting the wrapper"))?;
        introduce(&mut child, &address, &token).await;
        let create = begun.elapsed();
        tracing::debug!(pid = child.id(), "started a process");
        let tail = StderrTail::new(spec.package.language);
        let (ended, mut end) = watch::channel(None);
        let live = LiveProcess {
            pid: child.id().unwrap_or_default(),
            address: address.clone(),
            _folders: folders,
            mark,
            memory_mib: spec.memory_mib,
            running: false,
            tail: tail.clone(),
            ended,
        };
        self.lock().insert(spec.instance, live);
        let following = child::follow(Arc::clone(self), spec.instance, child, tail.clone());
        tokio::spawn(following);
        let why = tokio::select! {
            () = ready::answers(&address, &token) => None,
            reason = child::ended(&mut end) => Some(reason),
            () = tokio::time::sleep(ready::BOOT_TIMEOUT) => {
                Some(format!("no answer within {:?}", ready::BOOT_TIMEOUT))
            }
        };
        if why.is_none() && self.up(spec.instance) {
            return Ok(Started {
                max_memory_bytes: MAX_MEMORY_MIB << 20,
                address,
                token,
                code_root: code_root.display().to_string(),
                create,
                boot: begun.elapsed().saturating_sub(create),
            });
        }
        self.end(spec.instance, Duration::ZERO).await;
        Err(RuntimeError::NotUp {
            why: why.unwrap_or_else(|| "it was stopped".to_owned()),
            wrote: tail.text(),
        })
    }

    async fn program(
        &self,
        language: &'static dyn Language,
    ) -> Result<Arc<InstanceProgram>, RuntimeError> {
        let program = self.programs.of(language).await;
        program.map_err(|error| RuntimeError::Refused {
            what: "finding the interpreter",
            why: error.to_string(),
        })
    }

    /// The folder of a package's code, all of which is as it was saved.
    async fn code_root<'a>(&self, package: &'a PackageRun) -> Result<&'a Path, RuntimeError> {
        let root = package.code_root.as_deref();
        let root = root.ok_or_else(|| RuntimeError::Refused {
            what: "finding the code",
            why: "it is in an image, which only Docker can run".to_owned(),
        })?;
        package.check_code_root()?;
        if let Some(copies) = &self.copies {
            let mended = Arc::clone(copies).mend_beside(root.to_owned()).await;
            mended.map_err(|error| RuntimeError::Refused {
                what: "copying the code",
                why: error.to_string(),
            })?;
        }
        Ok(root)
    }

    /// Marks an instance as running; false when it ended meanwhile.
    fn up(&self, instance: InstanceId) -> bool {
        self.lock().get_mut(&instance).is_some_and(|live| {
            live.running = live.ended.borrow().is_none();
            live.running
        })
    }

    /// Ends an instance and returns when nothing of it remains.
    async fn end(&self, instance: InstanceId, grace: Duration) {
        let begun = self.lock().get_mut(&instance).map(|live| {
            live.running = false;
            (live.pid, live.mark.clone(), live.ended.subscribe())
        });
        let Some((pid, mark, mut end)) = begun else {
            return;
        };
        let family = tokio::task::spawn_blocking(move || Family::marked(&mark, pid)).await;
        let alive = |end: &watch::Receiver<Option<String>>| end.borrow().is_none();
        if !grace.is_zero() && alive(&end) {
            signal(pid, Signal::Terminate);
            // A paused one acts on it only when it goes on.
            signal(pid, Signal::Continue);
            let _ = timeout(grace, child::ended(&mut end)).await;
        }
        if alive(&end) {
            signal(pid, Signal::Kill);
            let _ = timeout(KILLED, child::ended(&mut end)).await;
        }
        if let Ok(family) = family {
            let _ended = tokio::task::spawn_blocking(move || family.end()).await;
        }
        if let Some(live) = self.lock().remove(&instance) {
            live.address.close();
        }
    }

    fn signal(&self, instance: InstanceId, kind: Signal) {
        let live = self.lock();
        let alive = live
            .get(&instance)
            .filter(|live| live.ended.borrow().is_none());
        if let Some(live) = alive {
            signal(live.pid, kind);
        }
    }
}

impl Runtime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn stock(&self, _package: Arc<PackageRun>, _memory_mib: u32) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn start(&self, spec: StartSpec) -> BoxFuture<'_, Result<Started, RuntimeError>> {
        Box::pin(async move { self.inner.start(spec).await })
    }

    fn pause(&self, instance: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        self.inner.signal(instance, Signal::Stop);
        Box::pin(std::future::ready(Ok(())))
    }

    fn resume(&self, instance: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        self.inner.signal(instance, Signal::Continue);
        Box::pin(std::future::ready(Ok(())))
    }

    fn stop(&self, instance: InstanceId, grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.inner.end(instance, grace).await })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let all: Vec<InstanceId> = self.inner.lock().keys().copied().collect();
            let ends = all
                .into_iter()
                .map(|instance| self.inner.end(instance, Duration::ZERO));
            futures_util::future::join_all(ends).await;
            self.inner.place.remove();
            self.inner.temporary.remove();
            if let Some(watchdog) = &self.inner.watchdog {
                watchdog.dismiss().await;
            }
        })
    }
}

fn command(
    program: &InstanceProgram,
    spec: &StartSpec,
    code_root: &Path,
    address: &Address,
) -> Command {
    let wrapper = program.wrapper.to_string_lossy();
    let arguments = instance_arguments(spec.package.language, spec.memory_mib, &wrapper);
    let mut command = Command::new(&program.interpreter.path);
    command
        .args(arguments)
        .current_dir(code_root)
        .env_clear()
        .envs(inherited())
        .envs(&spec.package.env)
        .env("FNLOCAL_DEV", "1")
        .env("FNLOCAL_CODE", code_root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.process_group(0);
    match address {
        Address::Dialed(listener) => command.env("FNLOCAL_DIAL", listener.folder().join(SOCKET)),
        Address::Tcp(at) => command.env("PORT", at.port().to_string()),
    };
    command
}

fn address(folder: &Path) -> std::io::Result<Address> {
    Ok(Address::Dialed(InstanceListener::bind(folder.to_owned())?))
}

/// Tells a process its token, in a way that nothing else can read, and takes connections of this
/// process alone.
async fn introduce(child: &mut Child, address: &Address, token: &str) {
    if let (Address::Dialed(listener), Some(process)) = (address, child.id()) {
        listener.only_from(process);
    }
    if let Some(input) = &mut child.stdin {
        // One that has ended already cannot be told; its end is.
        let _ended = input.write_all(format!("{token}\n").as_bytes()).await;
    }
}
