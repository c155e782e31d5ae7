//! A save's way: from a hint that files changed to new code in the core.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{CodeHash, Event, PackageId};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::describe::Describer;
use super::with_hint;
use crate::driver::Driver;
use crate::logs::Logs;
use crate::project::{CodeStore, DepsHash, Package, Snapshot, StateDir};
use crate::runtime::PackageRun;
use crate::runtime::select::Preparer;
use crate::watch::Change;

/// Copies of old code that are kept: an instance may still be finishing on one.
const KEPT: usize = 8;
/// How long the first description of a package may take before its URLs are shown without it.
const FIRST_LOAD: Duration = Duration::from_secs(60);

/// Turns changes of files into events.
pub struct Reloader {
    driver: Rc<Driver>,
    describer: Rc<Describer>,
    preparer: Preparer,
    state: Rc<StateDir>,
    packages: BTreeMap<PackageId, Tracked>,
    logs: Logs,
}

/// A package's copies and what is known of them.
struct Tracked {
    package: Package,
    store: Option<CodeStore>,
    code: Option<CodeHash>,
    deps: Option<DepsHash>,
    /// What ran, with the copy it ran from.
    history: Vec<(CodeHash, CodeHash)>,
    run: Option<Arc<PackageRun>>,
}

impl Reloader {
    pub fn new(
        driver: Rc<Driver>,
        describer: Rc<Describer>,
        preparer: Preparer,
        state: Rc<StateDir>,
        logs: Logs,
    ) -> Self {
        Self {
            driver,
            describer,
            preparer,
            state,
            packages: BTreeMap::new(),
            logs,
        }
    }

    /// Loads every package. False when none can be served.
    pub async fn load_all(&mut self) -> bool {
        let project = self.describer.project();
        let mut served = 0;
        for package in &project.packages {
            self.track(package);
            served += usize::from(self.refresh(package.id, Clock::now()).await);
        }
        let deadline = tokio::time::Instant::now() + FIRST_LOAD;
        while self.describer.loaded() < served && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        served > 0
    }

    /// Reloads what a change touched. True when the set of packages changed.
    pub async fn reload(&mut self, change: &Change) -> bool {
        let at = Clock::now();
        let mut structure = false;
        if change.config || change.env || change.structure {
            structure = self.reconfigure().await;
        }
        let touched: Vec<PackageId> = if change.config || change.env {
            self.packages.keys().copied().collect()
        } else {
            change.packages.iter().copied().collect()
        };
        for package in touched {
            self.refresh(package, at).await;
        }
        structure
    }

    /// Reads the configuration and variables again. A mistake in them is told and what was read
    /// before stays in force.
    async fn reconfigure(&mut self) -> bool {
        let project = match self.describer.project().reload() {
            Ok(project) => project,
            Err(error) => {
                self.logs.warn(with_hint(&error.to_string(), error.hint().as_deref()));
                return false;
            }
        };
        let environment = match project.environment() {
            Ok(environment) => environment,
            Err(error) => {
                self.logs.warn(with_hint(&error.to_string(), error.hint().as_deref()));
                return false;
            }
        };
        let gone: Vec<PackageId> = self
            .packages
            .keys()
            .copied()
            .filter(|known| project.package(*known).is_none())
            .collect();
        let mut changed = !gone.is_empty();
        for package in gone {
            self.packages.remove(&package);
            self.driver.with_functions(|functions| functions.replace(package, Vec::new()));
            self.driver.handle(Event::PackageRemoved { package });
        }
        let packages = project.packages.clone();
        self.describer.set(project, environment);
        for package in packages {
            match self.packages.get_mut(&package.id) {
                Some(tracked) if tracked.package == package => {}
                Some(tracked) => {
                    if let Some(store) = &mut tracked.store {
                        store.set_package(&package);
                    }
                    tracked.package = package;
                }
                None => {
                    self.track(&package);
                    self.refresh(package.id, Clock::now()).await;
                    changed = true;
                }
            }
        }
        changed
    }

    fn track(&mut self, package: &Package) {
        match CodeStore::new(&self.state, package) {
            Ok(store) => {
                let tracked = Tracked::new(package.clone(), store);
                self.packages.insert(package.id, tracked);
            }
            Err(error) => self.logs.warn(with_hint(
                &format!("package {}: {error}", package.name),
                error.hint().as_deref(),
            )),
        }
    }

    /// Copies a package's code as it is now and tells the core if what would run differs from
    /// what runs: by its files, its dependencies, its variables or its configuration. False when
    /// it cannot be served.
    async fn refresh(&mut self, id: PackageId, at: Clock) -> bool {
        let Some(snapshot) = self.snapshot(id).await else {
            return self.packages.get(&id).is_some_and(|tracked| tracked.run.is_some());
        };
        let Some(rebuilt) = self.prepare(id, &snapshot).await else {
            return false;
        };
        let config = self.describer.config_text();
        let Some(tracked) = self.packages.get_mut(&id) else {
            return false;
        };
        let Some(run) = &tracked.run else {
            return false;
        };
        let code = version(&snapshot, run, &config);
        if tracked.code == Some(code) {
            return true;
        }
        let first = tracked.code.replace(code).is_none();
        tracked.history.retain(|(old, _)| *old != code);
        tracked.history.push((code, snapshot.hash));
        if !first {
            self.describer.saw(code, at);
        }
        self.driver.add_code(id, code, snapshot.hash.to_string());
        self.driver.handle(Event::CodeChanged {
            package: id,
            code,
            rebuilt: rebuilt && !first,
        });
        self.prune(id);
        true
    }

    async fn snapshot(&mut self, id: PackageId) -> Option<Snapshot> {
        let tracked = self.packages.get_mut(&id)?;
        let mut store = tracked.store.take()?;
        let taken = spawn_blocking(move || {
            let snapshot = store.snapshot();
            (store, snapshot)
        })
        .await;
        let (store, snapshot) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                self.logs.warn(format!("the package could not be read: {error}"));
                return None;
            }
        };
        self.packages.get_mut(&id)?.store = Some(store);
        match snapshot {
            Ok(snapshot) => {
                for warning in &snapshot.warnings {
                    let hint = warning.hint.as_deref();
                    self.describer.warn_once(&warning.text, hint);
                }
                Some(snapshot)
            }
            Err(error) => {
                self.logs.warn(with_hint(&error.to_string(), error.hint().as_deref()));
                None
            }
        }
    }

    /// Makes the image, or what else the runtime needs, when dependencies or variables changed.
    /// True when it did, `None` when there is nothing to run.
    async fn prepare(&mut self, id: PackageId, snapshot: &Snapshot) -> Option<bool> {
        let tracked = self.packages.get(&id)?;
        let env = self.describer.shared_env();
        if let Some(run) = &tracked.run
            && tracked.deps == snapshot.deps
            && run.env == env
        {
            return Some(false);
        }
        let package = tracked.package.clone();
        let code_root = self.state.code_root(&package);
        let logs = self.logs.clone();
        let prepared = self
            .preparer
            .prepare(&package, code_root, env, &move |text: String| logs.note(text))
            .await;
        let tracked = self.packages.get_mut(&id)?;
        let run = match prepared {
            Ok(run) => Arc::new(run),
            Err(error) => {
                self.logs.warn(with_hint(
                    &format!("package {}: {error}", package.name),
                    error.hint().as_deref(),
                ));
                return tracked.run.is_some().then_some(false);
            }
        };
        tracked.deps = snapshot.deps;
        tracked.run = Some(Arc::clone(&run));
        let mut shown_root = shown(&package.root);
        shown_root.push('/');
        self.driver.set_package(id, run, package.entries.clone(), shown_root);
        Some(true)
    }

    fn prune(&mut self, id: PackageId) {
        let Some(tracked) = self.packages.get_mut(&id) else {
            return;
        };
        if tracked.history.len() <= KEPT {
            return;
        }
        let in_use = self.driver.codes_in_use();
        let from = tracked.history.len() - KEPT;
        let mut at = 0;
        tracked.history.retain(|(code, _)| {
            at += 1;
            at > from || in_use.contains(code)
        });
        let keep: Vec<CodeHash> = tracked.history.iter().map(|(_, folder)| *folder).collect();
        if let Some(store) = &mut tracked.store
            && let Err(error) = store.prune(&keep)
        {
            self.logs.warn(error.to_string());
        }
    }
}

impl Tracked {
    fn new(package: Package, store: CodeStore) -> Self {
        Self {
            package,
            store: Some(store),
            code: None,
            deps: None,
            history: Vec::new(),
            run: None,
        }
    }
}

/// What would run: the same number means the same behaviour. The files' own hash is not enough,
/// since an instance keeps the variables and settings it was given.
fn version(snapshot: &Snapshot, run: &PackageRun, config: &str) -> CodeHash {
    let mut hasher = Sha256::new();
    hasher.update(snapshot.hash.0.to_be_bytes());
    hasher.update(run.image.as_bytes());
    for (name, value) in &run.env {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        hasher.update(value.as_bytes());
        hasher.update([0]);
    }
    hasher.update(config.as_bytes());
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    CodeHash(u64::from_be_bytes(first))
}

/// A path relative to where the person stands, if it is below.
fn shown(path: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let near = path.strip_prefix(&here).unwrap_or(path);
    if near.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        near.display().to_string()
    }
}
