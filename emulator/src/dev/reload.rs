//! A save's way: from a hint that files changed to new code in the core.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{CodeHash, Event, PackageId};
use tokio::task::spawn_blocking;

use super::describe::Describer;
use super::with_hint;
use crate::driver::{Driver, Package as Served};
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
    state: PathBuf,
    packages: BTreeMap<PackageId, Tracked>,
    logs: Logs,
}

/// A package's copies and what is known of them.
struct Tracked {
    package: Package,
    store: Option<CodeStore>,
    code: Option<CodeHash>,
    deps: Option<DepsHash>,
    history: Vec<CodeHash>,
    run: Option<Arc<PackageRun>>,
}

impl Reloader {
    pub fn new(
        driver: Rc<Driver>,
        describer: Rc<Describer>,
        preparer: Preparer,
        state: &StateDir,
        logs: Logs,
    ) -> Self {
        Self {
            driver,
            describer,
            preparer,
            state: state.path().to_owned(),
            packages: BTreeMap::new(),
            logs,
        }
    }

    /// Loads every package. False when none can be served.
    pub async fn load_all(&mut self) -> bool {
        let project = self.describer.project();
        let mut served = 0;
        for package in &project.packages {
            let store = CodeStore::new(&self.state, package);
            self.packages.insert(package.id, Tracked::new(package.clone(), store));
            served += usize::from(self.refresh(package.id, Clock::now(), true).await);
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
        let again = change.config || change.env;
        for package in touched {
            self.refresh(package, at, again).await;
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
                    tracked.store = Some(CodeStore::new(&self.state, &package));
                    tracked.package = package;
                    tracked.code = None;
                }
                None => {
                    let store = CodeStore::new(&self.state, &package);
                    let id = package.id;
                    self.packages.insert(id, Tracked::new(package, store));
                    self.refresh(id, Clock::now(), true).await;
                    changed = true;
                }
            }
        }
        changed
    }

    /// Copies a package's code as it is now and tells the core if it differs, or in any case when
    /// `again` (its configuration changed). False when it cannot be served.
    async fn refresh(&mut self, id: PackageId, at: Clock, again: bool) -> bool {
        let Some(snapshot) = self.snapshot(id).await else {
            return self.packages.get(&id).is_some_and(|tracked| tracked.run.is_some());
        };
        if !self.prepare(id, &snapshot, again).await {
            return false;
        }
        let Some(tracked) = self.packages.get_mut(&id) else {
            return false;
        };
        let code = snapshot.hash;
        if tracked.code == Some(code) && !again {
            return true;
        }
        let first = tracked.code.replace(code).is_none();
        tracked.history.retain(|old| *old != code);
        tracked.history.push(code);
        if !first {
            self.describer.saw(code, at);
        }
        self.driver.handle(Event::CodeChanged { package: id, code });
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
    async fn prepare(&mut self, id: PackageId, snapshot: &Snapshot, again: bool) -> bool {
        let Some(tracked) = self.packages.get(&id) else {
            return false;
        };
        if tracked.deps == Some(snapshot.deps) && !again {
            return tracked.run.is_some();
        }
        let package = tracked.package.clone();
        let code_root = self.state.join("code").join(&package.name);
        let logs = self.logs.clone();
        let env = self.describer.shared_env();
        let prepared = self
            .preparer
            .prepare(&package, code_root, env, &move |text: String| logs.note(text))
            .await;
        let run = match prepared {
            Ok(run) => Arc::new(run),
            Err(error) => {
                self.logs.warn(with_hint(
                    &format!("package {}: {error}", package.name),
                    error.hint().as_deref(),
                ));
                return tracked.run.is_some();
            }
        };
        let Some(tracked) = self.packages.get_mut(&id) else {
            return false;
        };
        tracked.deps = Some(snapshot.deps);
        tracked.run = Some(Arc::clone(&run));
        let mut shown_root = shown(&package.root);
        shown_root.push('/');
        self.driver.set_package(
            id,
            Served {
                run,
                entries: package.entries.clone(),
                shown_root,
            },
        );
        true
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
        tracked.history.retain(|code| {
            at += 1;
            at > from || in_use.contains(code)
        });
        if let Some(store) = &mut tracked.store
            && let Err(error) = store.prune(&tracked.history)
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
