//! A save's way: from a hint that files changed to new code in the core.

mod prepare;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use fnlocal_api::UserError;
use fnlocal_core::{CodeHash, PackageId};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::{info, instrument};

use super::FolderWorkload;
use super::tracked::{PreparedPackage, TrackedPackage, version};
use fnlocal_driver::{DriverGroup, PackageCode};
use fnlocal_engine::error::chain;
use fnlocal_gateway::triggers::Triggers;
use fnlocal_project::watch::Change;
use fnlocal_project::{CodeStore, Package, Snapshot, Warning};
use prepare::Prepared;

/// Copies of old code that are kept: an instance may still be finishing on one.
const MAX_KEPT_VERSIONS: usize = 8;
/// How long the first description of a package may take before its URLs are shown without it.
const FIRST_LOAD: Duration = Duration::from_secs(60);

/// Turns changes of files into events.
pub(super) struct Reloader {
    pub folder: Rc<FolderWorkload>,
    /// The drivers that get code.
    group: DriverGroup,
    /// The triggers, which get variables as functions do.
    triggers: Rc<Triggers>,
    packages: BTreeMap<PackageId, TrackedPackage>,
    made: mpsc::Sender<(PackageId, PreparedPackage)>,
    unprepared: bool,
    /// The file that the project waits for, as it was last reported.
    told: Option<String>,
}

impl Reloader {
    /// Images and dependencies are made in the background later, and sent to `made`.
    pub fn new(
        folder: Rc<FolderWorkload>,
        triggers: Rc<Triggers>,
        made: mpsc::Sender<(PackageId, PreparedPackage)>,
    ) -> Self {
        Self {
            folder,
            group: triggers.feed().clone(),
            triggers,
            packages: BTreeMap::new(),
            made,
            unprepared: false,
            told: None,
        }
    }

    /// Loads every package. False when there are some and none can be served.
    pub async fn load_all(&mut self) -> bool {
        let project = self.folder.describer.project();
        self.tell_awaited(project.waits_for.as_deref());
        let mut served = 0;
        for package in &project.packages {
            self.track(package);
            served += usize::from(self.refresh(package.id, Clock::now()).await);
        }
        let _later = tokio::time::timeout(FIRST_LOAD, self.group.described()).await;
        self.folder.describer.set_loaded();
        served > 0 || project.packages.is_empty()
    }

    /// Logs what is waited for, once.
    fn tell_awaited(&mut self, awaited: Option<&str>) {
        if self.told.as_deref() != awaited {
            if let Some(awaited) = awaited {
                let text = format!("no functions yet; waiting for {awaited}");
                self.folder.logs.note(text);
            }
            self.told = awaited.map(str::to_owned);
        }
    }

    /// Reloads what a change touched. True when packages or their entries changed.
    #[instrument(level = "info", name = "save", skip_all, fields(config = change.config, env = change.env))]
    pub async fn reload(&mut self, change: &Change) -> bool {
        if let Some(notice) = &change.notice {
            self.folder.logs.warn(notice.clone());
        }
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
        // Nothing is said of a save that changes nothing: it may be of a file this is written to.
        if structure {
            info!("packages or entries changed");
        }
        structure
    }

    /// Reads the configuration and variables again. A mistake in them is reported, and the earlier
    /// ones stay in force.
    async fn reconfigure(&mut self) -> bool {
        let project = match self.folder.describer.project().reload() {
            Ok(project) => project,
            Err(error) => {
                self.folder.logs.warn(error.report());
                return false;
            }
        };
        let environment = match project.environment() {
            Ok(environment) => environment,
            Err(error) => {
                self.folder.logs.warn(error.report());
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
            self.group.remove_package(package);
        }
        let packages = project.packages.clone();
        self.tell_awaited(project.waits_for.as_deref());
        let (variables, shell) = (environment.shared().clone(), project.shell());
        self.folder.describer.set(project, environment);
        self.triggers.set_variables(variables, shell);
        for package in packages {
            match self.packages.get_mut(&package.id) {
                Some(tracked) if tracked.package == package => {}
                Some(tracked) if tracked.package.name == package.name => {
                    if let Some(store) = &mut tracked.store {
                        store.set_package(&package);
                    }
                    tracked.package = package;
                    changed = true;
                }
                // Its copies and its image are named after it: it begins anew.
                Some(_) => {
                    self.track(&package);
                    changed = true;
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
        match CodeStore::new(&self.folder.state, package) {
            Ok(store) => {
                let tracked = TrackedPackage::new(package.clone(), store);
                self.packages.insert(package.id, tracked);
            }
            Err(error) => self.warn(&format!("package {}: ", package.name), &error),
        }
    }

    /// Logs an error with its causes and its hint.
    fn warn(&self, of: &str, error: &impl UserError) {
        let (text, hint) = (format!("{of}{}", chain(error)), error.hint());
        self.folder.logs.warn(Warning { text, hint }.report());
    }

    /// Copies a package's code as it is now and tells the core if what would run differs from
    /// what runs: by its files, its dependencies, its variables or its configuration. False when
    /// it cannot be served.
    async fn refresh(&mut self, id: PackageId, at: Clock) -> bool {
        let Some(snapshot) = self.snapshot(id).await else {
            return self
                .packages
                .get(&id)
                .is_some_and(|tracked| tracked.run.is_some());
        };
        let rebuilt = match self.prepare(id, &snapshot).await {
            Prepared::Ready { rebuilt } => rebuilt,
            // The new code may need what is being made: the old goes on until it is there.
            Prepared::Later => return true,
            Prepared::Nothing => return false,
        };
        let config = self.folder.describer.config_text();
        let Some(tracked) = self.packages.get_mut(&id) else {
            return false;
        };
        let Some(run) = &tracked.run else {
            return false;
        };
        let code = version(&snapshot, run, &tracked.package.entries, &config);
        if tracked.code == Some(code) {
            return true;
        }
        let name = &tracked.package.name;
        let took_ms = at.elapsed().as_millis() as u64;
        info!(package = name, files = %snapshot.hash, %code, rebuilt, took_ms, "has new code");
        if let Err(error) = self.folder.preparer.bring(name, &snapshot.path).await {
            self.folder
                .logs
                .warn(format!("package {name}: {}", error.report()));
            return tracked.code.is_some();
        }
        self.unprepared = true;
        let first = tracked.code.replace(code).is_none();
        tracked.history.retain(|(old, _)| *old != code);
        tracked.history.push((code, snapshot.hash));
        if !first {
            self.folder.describer.saw(code, at);
        }
        let what = PackageCode {
            files: snapshot.hash.to_string(),
            folder: snapshot.hash.to_string(),
            entries: tracked.package.entries.clone(),
        };
        self.group.set_code(id, code, what, rebuilt);
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
                self.folder
                    .logs
                    .warn(format!("the package could not be read: {error}"));
                return None;
            }
        };
        self.packages.get_mut(&id)?.store = Some(store);
        match snapshot {
            Ok(snapshot) => {
                for warning in &snapshot.warnings {
                    self.folder.describer.warn_once(warning.report());
                }
                Some(snapshot)
            }
            Err(error) => {
                self.warn("", &error);
                None
            }
        }
    }

    /// Returns whether a save came since [`Self::tidy`].
    pub fn unprepared(&self) -> bool {
        self.unprepared
    }

    /// Makes ready, in quiet moments, what the next save will need, and removes copies nobody
    /// needs any more.
    pub async fn tidy(&mut self) {
        self.unprepared = false;
        let ids: Vec<PackageId> = self.packages.keys().copied().collect();
        for id in ids {
            let keep = self.forget_old(id);
            self.forget_brought(id, &keep).await;
            let Some(mut store) = self.packages.get_mut(&id).and_then(|t| t.store.take()) else {
                continue;
            };
            let tidied = spawn_blocking(move || {
                // Without it the next save takes a little longer and reports its own errors.
                let _slower = store.prepare();
                let pruned = store.prune(&keep);
                (store, pruned)
            })
            .await;
            let Ok((store, pruned)) = tidied else {
                continue;
            };
            if let Err(error) = pruned {
                self.folder.logs.warn(error.to_string());
            }
            if let Some(tracked) = self.packages.get_mut(&id) {
                tracked.store = Some(store);
            }
        }
    }

    /// Has the engine forget copies it was given of code that is not needed any more.
    async fn forget_brought(&self, id: PackageId, kept: &[CodeHash]) {
        let Some(tracked) = self.packages.get(&id) else {
            return;
        };
        let root = self.folder.state.code_root(&tracked.package);
        let kept: Vec<PathBuf> = kept.iter().map(|one| root.join(one.to_string())).collect();
        if let Err(error) = self
            .folder
            .preparer
            .keep(&tracked.package.name, &kept)
            .await
        {
            self.folder.logs.warn(error.to_string());
        }
    }

    /// Forgets old code of a package. The copies that are still needed.
    fn forget_old(&mut self, id: PackageId) -> Vec<CodeHash> {
        let Some(tracked) = self.packages.get_mut(&id) else {
            return Vec::new();
        };
        let in_use = self.group.codes_in_use();
        let from = tracked.history.len().saturating_sub(MAX_KEPT_VERSIONS);
        let mut at = 0;
        tracked.history.retain(|(code, _)| {
            at += 1;
            at > from || in_use.contains(code)
        });
        let codes: Vec<CodeHash> = tracked.history.iter().map(|(code, _)| *code).collect();
        self.group.keep_codes(id, &codes);
        tracked.history.iter().map(|(_, copy)| *copy).collect()
    }
}
