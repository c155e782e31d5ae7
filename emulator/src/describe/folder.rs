//! The functions of a folder that changes, by its configuration.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{CodeHash, FunctionSpec, PackageId};

use super::{FoundFunctions, import_failed, variables};
use fnlocal_api::{Failure, UserError};
use fnlocal_driver::{BrokenFile, Describe, Function, Functions};
use fnlocal_logs::{Logs, Record};
use fnlocal_project::{
    DescribedModule, Environment, FunctionProblem, FunctionSettings, Package, Project,
    SettledFunction,
};

/// A save of which nothing was told for so long was overtaken by another.
const OVERTAKEN: Duration = Duration::from_secs(60);

/// The maximum number of warnings that are remembered, to be logged once.
const MAX_KNOWN_WARNINGS: usize = 1000;

/// Knows the project's configuration and turns descriptions into functions by it.
pub(crate) struct FolderDescriber {
    project: RefCell<Project>,
    environment: RefCell<Environment>,
    described: RefCell<BTreeMap<PackageId, Vec<DescribedModule>>>,
    /// Warnings that were logged.
    warned: RefCell<BTreeSet<String>>,
    seen: RefCell<BTreeMap<CodeHash, Clock>>,
    /// The code last described of each package: told once, however many nodes import it.
    last: RefCell<BTreeMap<PackageId, CodeHash>>,
    quiet: Cell<bool>,
    /// The packages there were at the start are loaded: functions that appear now are new.
    loaded: Cell<bool>,
    /// Nodes on which a function's requests have gone over to code.
    switched: RefCell<BTreeMap<Arc<str>, (CodeHash, usize)>>,
    /// How many nodes there are.
    nodes: Cell<usize>,
    logs: Logs,
}

impl FolderDescriber {
    pub fn new(project: Project, environment: Environment, logs: Logs) -> Rc<Self> {
        let describer = Self {
            project: RefCell::new(project),
            environment: RefCell::default(),
            described: RefCell::default(),
            warned: RefCell::default(),
            seen: RefCell::default(),
            last: RefCell::default(),
            quiet: Cell::new(false),
            loaded: Cell::new(false),
            switched: RefCell::default(),
            nodes: Cell::new(1),
            logs,
        };
        describer.set_environment(environment);
        Rc::new(describer)
    }

    /// The project as it is configured now.
    pub fn project(&self) -> Project {
        self.project.borrow().clone()
    }

    /// Notes that the packages there were at the start are loaded.
    pub fn set_loaded(&self) {
        self.loaded.set(true);
    }

    /// Takes a changed configuration or changed variables.
    pub fn set(&self, project: Project, environment: Environment) {
        self.project.replace(project);
        self.set_environment(environment);
    }

    fn set_environment(&self, environment: Environment) {
        for warning in environment.warnings() {
            self.warn_once(warning.report());
        }
        self.environment.replace(environment);
    }

    /// Variables all functions share.
    pub fn shared_env(&self) -> BTreeMap<String, String> {
        self.environment.borrow().shared().clone()
    }

    /// The configuration as text that differs when anything in it does.
    pub fn config_text(&self) -> String {
        serde_json::to_string(self.project.borrow().config())
            .expect("a configuration is plain data")
    }

    /// Notes when a save was seen, to tell later how long its reload took.
    pub fn saw(&self, code: CodeHash, at: Clock) {
        let mut seen = self.seen.borrow_mut();
        // Older saves have been told about, or were overtaken.
        seen.retain(|_, before| at.duration_since(*before) < OVERTAKEN);
        seen.insert(code, at);
    }

    /// Adds the functions of a package, those that cannot be served included.
    fn settle(
        &self,
        package: &Package,
        modules: &[DescribedModule],
        before: &[Rc<Function>],
        found: &mut FoundFunctions<'_>,
    ) {
        let settled = self.project.borrow().settle(package, modules);
        for warning in &settled.warnings {
            self.warn_once(warning.report());
        }
        for function in settled.functions {
            if !found.is_taken(&function.name) {
                self.add(function, found);
            }
        }
        let mut nameless = Vec::new();
        for problem in settled.problems {
            let failure = failure_of(&problem);
            let shown: &str = match &problem {
                FunctionProblem::Import { entry, .. } => entry,
                other => other.function().unwrap_or(&package.name),
            };
            self.log(import_failed(shown, &failure));
            match &problem {
                FunctionProblem::Import { entry, .. } => {
                    let project = self.project.borrow();
                    let concerned = before
                        .iter()
                        .filter(|old| project.show(package, &old.entry) == *entry);
                    let concerned: Vec<_> = concerned.collect();
                    for old in &concerned {
                        found.add_broken(old, &failure);
                    }
                    if concerned.is_empty() {
                        nameless.push(BrokenFile {
                            entry: entry.clone(),
                            named_after: package.named_after(entry),
                            failure: Rc::new(failure),
                        });
                    }
                }
                FunctionProblem::Duplicate { .. } => {}
                FunctionProblem::TooMany { .. } => nameless.push(whole(package, failure)),
                other => {
                    if let Some(name) = other.function() {
                        let settings = FunctionSettings::default();
                        found.add(name, "", settings, BTreeMap::new(), Some(failure));
                    }
                }
            }
        }
        found.all.set_nameless(package.id, nameless);
    }

    fn add(&self, settled: SettledFunction, found: &mut FoundFunctions<'_>) {
        let (name, settings) = (&settled.name, settled.settings);
        let shell = self.project.borrow().shell();
        let environment = self.environment.borrow();
        let env = variables(&environment, name, &settings.env, |name| shell.get(name));
        let (env, failure) = match env {
            Ok(env) => (env, None),
            Err(failure) => {
                self.log(import_failed(name, &failure));
                (BTreeMap::new(), Some(failure))
            }
        };
        found.add(name, &settled.entry, settings, env, failure);
    }

    /// Reports problems that only show between packages. Each is reported once, not at every save.
    fn check_across(&self) {
        let project = self.project.borrow();
        let described = self.described.borrow();
        if described.len() < project.packages.len() {
            return;
        }
        let all: Vec<(&Package, &[DescribedModule])> = project
            .packages
            .iter()
            .filter_map(|package| Some((package, described.get(&package.id)?.as_slice())))
            .collect();
        let across = project.check_across(&all);
        for problem in &across.problems {
            self.warn_once(problem.report());
        }
        for warning in &across.warnings {
            self.warn_once(warning.report());
        }
    }

    fn log(&self, record: Record) {
        if !self.quiet.get() {
            self.logs.send(record);
        }
    }

    /// Returns whether a function has now gone over to code on every node.
    fn everywhere(&self, function: &Arc<str>, code: CodeHash) -> bool {
        let mut switched = self.switched.borrow_mut();
        let (known, nodes) = switched.entry(Arc::clone(function)).or_insert((code, 0));
        if *known != code {
            (*known, *nodes) = (code, 0);
        }
        *nodes += 1;
        *nodes >= self.nodes.get()
    }

    /// Logs a warning that was not logged before.
    pub fn warn_once(&self, report: String) {
        let mut known = self.warned.borrow_mut();
        if known.len() >= MAX_KNOWN_WARNINGS {
            known.clear();
        }
        if known.insert(report.clone()) {
            self.logs.warn(report);
        }
    }

    fn log_difference(&self, before: &[Rc<Function>], now: &[Function], first: bool) {
        if first || self.quiet.get() {
            return;
        }
        let old_ids: BTreeSet<_> = before.iter().map(|old| old.id).collect();
        for function in now {
            if !old_ids.contains(&function.id) {
                self.logs.note(format!("new function /{}", function.name));
            }
        }
        let ids: BTreeSet<_> = now.iter().map(|function| function.id).collect();
        for old in before {
            if !ids.contains(&old.id) {
                self.logs.note(format!("/{} is gone", old.name));
            }
        }
    }
}

impl Describe for FolderDescriber {
    fn describe(
        &self,
        package: PackageId,
        code: CodeHash,
        described: Result<Vec<DescribedModule>, Failure>,
        functions: &mut Functions,
    ) -> Vec<FunctionSpec> {
        let last = self.last.borrow_mut().insert(package, code);
        self.quiet.set(self.nodes.get() > 1 && last == Some(code));
        let Some(package) = self.project.borrow().package(package).cloned() else {
            return Vec::new();
        };
        let before = functions.of_package(package.id);
        let first = !self.loaded.get() && !self.described.borrow().contains_key(&package.id);
        let mut found = FoundFunctions::new(package.id, functions);
        match described {
            Ok(modules) => {
                self.settle(&package, &modules, &before, &mut found);
                self.described.borrow_mut().insert(package.id, modules);
                self.log_difference(&before, &found.found, first);
            }
            Err(failure) => {
                self.log(import_failed(&package.name, &failure));
                for old in &before {
                    found.add_broken(old, &failure);
                }
                let nameless = before.is_empty().then(|| whole(&package, failure));
                found
                    .all
                    .set_nameless(package.id, nameless.into_iter().collect());
                self.described.borrow_mut().entry(package.id).or_default();
            }
        }
        let routes = self.project.borrow().config().route_specs();
        let specs = found.install(self.project.borrow().config().default.as_deref(), &routes);
        self.check_across();
        specs
    }

    fn set_drivers(&self, drivers: usize) {
        self.nodes.set(drivers);
    }

    fn switched(&self, function: &Function, code: CodeHash, files: &str) {
        let Some(seen) = self.seen.borrow().get(&code).copied() else {
            return;
        };
        if !self.everywhere(&function.name, code) {
            return;
        }
        self.logs.send(Record::Switched {
            function: Arc::clone(&function.name),
            files: files.to_owned(),
            after: Some(seen.elapsed()),
        });
    }
}

/// A package whose code failed as a whole: it may export any name.
fn whole(package: &Package, failure: Failure) -> BrokenFile {
    BrokenFile {
        entry: package.name.clone(),
        named_after: None,
        failure: Rc::new(failure),
    }
}

fn failure_of(problem: &FunctionProblem) -> Failure {
    match problem {
        FunctionProblem::Import { error, .. } => (**error).clone(),
        other => Failure::plain(other.to_string(), other.hint().as_deref()),
    }
}
