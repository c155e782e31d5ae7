//! From what a package's code says of itself to functions the driver serves.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::{CodeHash, FunctionSpec, PackageId};

use crate::serve::with_hint;
use fnlocal_api::{Failure, UserError};
use fnlocal_driver::{Describe, Function, Functions};
use fnlocal_logs::{Logs, Record};
use fnlocal_project::{
    DescribedModule, Environment, FunctionSettings, Package, Problem, Project, SettledFunction,
};

/// A save of which nothing was told for so long was overtaken by another.
const OVERTAKEN: Duration = Duration::from_secs(60);

/// The maximum number of warnings that are remembered to be told once.
const MAX_TOLD: usize = 1000;

/// Knows the project's configuration and turns descriptions into functions by it.
pub struct Describer {
    project: RefCell<Project>,
    environment: RefCell<Environment>,
    described: RefCell<BTreeMap<PackageId, Vec<DescribedModule>>>,
    told: RefCell<BTreeSet<String>>,
    seen: RefCell<BTreeMap<CodeHash, Clock>>,
    /// The code last described of each package: told once, however many nodes import it.
    last: RefCell<BTreeMap<PackageId, CodeHash>>,
    quiet: Cell<bool>,
    /// Nodes on which a function's requests have gone over to code.
    switched: RefCell<BTreeMap<Arc<str>, (CodeHash, usize)>>,
    /// How many nodes there are.
    nodes: Cell<usize>,
    logs: Logs,
}

impl Describer {
    pub fn new(project: Project, environment: Environment, logs: Logs) -> Rc<Self> {
        Rc::new(Self {
            project: RefCell::new(project),
            environment: RefCell::new(environment),
            described: RefCell::default(),
            told: RefCell::default(),
            seen: RefCell::default(),
            last: RefCell::default(),
            quiet: Cell::new(false),
            switched: RefCell::default(),
            nodes: Cell::new(1),
            logs,
        })
    }

    /// The project as it is configured now.
    pub fn project(&self) -> Project {
        self.project.borrow().clone()
    }

    /// Takes a changed configuration or changed variables.
    pub fn set(&self, project: Project, environment: Environment) {
        self.project.replace(project);
        self.environment.replace(environment);
    }

    /// Variables all functions share.
    pub fn shared_env(&self) -> BTreeMap<String, String> {
        self.environment.borrow().shared().clone()
    }

    /// The configuration as text that differs when anything in it does.
    pub fn config_text(&self) -> String {
        format!("{:?}", self.project.borrow().config())
    }

    /// Notes when a save was seen, to tell later how long its reload took.
    pub fn saw(&self, code: CodeHash, at: Clock) {
        let mut seen = self.seen.borrow_mut();
        // Older saves have been told about, or were overtaken.
        seen.retain(|_, before| at.duration_since(*before) < OVERTAKEN);
        seen.insert(code, at);
    }

    fn settle(
        &self,
        package: &Package,
        modules: &[DescribedModule],
        functions: &mut Functions,
    ) -> Vec<Function> {
        let settled = self.project.borrow().settle(package, modules);
        for warning in &settled.warnings {
            self.warn_once(&warning.text, warning.hint.as_deref());
        }
        let before = functions.of_package(package.id);
        let mut found = Vec::new();
        for function in settled.functions {
            if !taken(functions, package.id, &function.name) {
                found.push(self.function(package.id, function, functions));
            }
        }
        let mut nameless = None;
        for problem in settled.problems {
            let failure = failure_of(&problem);
            let shown: Arc<str> = match &problem {
                Problem::Import { entry, .. } => Arc::from(entry.as_str()),
                other => Arc::from(other.function().unwrap_or(&package.name)),
            };
            self.tell(Record::ImportFailed {
                function: shown,
                failure: failure.clone(),
            });
            match &problem {
                Problem::Import { entry, .. } => {
                    let mut known = false;
                    for old in before.iter().filter(|old| entry.ends_with(&old.entry)) {
                        found.push(broken(old, &failure));
                        known = true;
                    }
                    if !known {
                        nameless = Some(failure);
                    }
                }
                Problem::Duplicate { .. } => {}
                Problem::TooMany { .. } => nameless = Some(failure),
                other => {
                    if let Some(name) = other.function() {
                        found.push(self.broken_anew(package.id, name, &failure, functions));
                    }
                }
            }
        }
        functions.set_nameless(package.id, nameless);
        found
    }

    fn function(
        &self,
        package: PackageId,
        settled: SettledFunction,
        functions: &mut Functions,
    ) -> Function {
        let SettledFunction {
            name,
            entry,
            settings,
            ..
        } = settled;
        let shell = self.project.borrow().shell();
        let env = self
            .environment
            .borrow()
            .of_function(&name, &settings.env, |name| shell.get(name));
        let (env, failure) = match env {
            Ok(env) => (env, None),
            Err(error) => {
                let failure = Failure::plain(error.to_string(), error.hint().as_deref());
                self.tell(Record::ImportFailed {
                    function: Arc::from(name.as_str()),
                    failure: failure.clone(),
                });
                (BTreeMap::new(), Some(Rc::new(failure)))
            }
        };
        Function {
            id: functions.id(&name),
            name: Arc::from(name),
            package,
            entry,
            settings,
            env,
            failure: RefCell::new(failure),
        }
    }

    fn broken_anew(
        &self,
        package: PackageId,
        name: &str,
        failure: &Failure,
        functions: &mut Functions,
    ) -> Function {
        Function {
            id: functions.id(name),
            name: Arc::from(name),
            package,
            entry: String::new(),
            settings: FunctionSettings::default(),
            env: BTreeMap::new(),
            failure: RefCell::new(Some(Rc::new(failure.clone()))),
        }
    }

    /// Problems that only show between packages. Each is told once, not at every save.
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
            self.warn_once(&problem.to_string(), problem.hint().as_deref());
        }
        for warning in &across.warnings {
            self.warn_once(&warning.text, warning.hint.as_deref());
        }
    }

    /// So many nodes serve the project: what they all do is told once, when the last has done it.
    pub fn set_nodes(&self, nodes: usize) {
        self.nodes.set(nodes);
    }

    fn tell(&self, record: Record) {
        if !self.quiet.get() {
            self.logs.send(record);
        }
    }

    /// Whether a function has now gone over to code on every node.
    fn everywhere(&self, function: &Arc<str>, code: CodeHash) -> bool {
        let mut switched = self.switched.borrow_mut();
        let (known, nodes) = switched.entry(Arc::clone(function)).or_insert((code, 0));
        if *known != code {
            (*known, *nodes) = (code, 0);
        }
        *nodes += 1;
        *nodes >= self.nodes.get()
    }

    pub(super) fn warn_once(&self, text: &str, hint: Option<&str>) {
        let mut told = self.told.borrow_mut();
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        if told.insert(text.to_owned()) {
            self.logs.warn(with_hint(text, hint));
        }
    }

    fn tell_difference(&self, before: &[Rc<Function>], now: &[Function], first: bool) {
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

impl Describe for Describer {
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
        let first = !self.described.borrow().contains_key(&package.id);
        let found = match described {
            Ok(modules) => {
                let found = self.settle(&package, &modules, functions);
                self.described.borrow_mut().insert(package.id, modules);
                self.tell_difference(&before, &found, first);
                found
            }
            Err(failure) => {
                self.tell(Record::ImportFailed {
                    function: Arc::from(package.name.as_str()),
                    failure: failure.clone(),
                });
                let found: Vec<_> = before.iter().map(|old| broken(old, &failure)).collect();
                functions.set_nameless(package.id, found.is_empty().then_some(failure));
                self.described.borrow_mut().entry(package.id).or_default();
                found
            }
        };
        let specs = found
            .iter()
            .map(|function| FunctionSpec {
                function: function.id,
                limits: function.settings.limits.clone(),
                broken: function.failure.borrow().is_some(),
            })
            .collect();
        functions.replace(package.id, found);
        functions.set_default(self.project.borrow().config().default.as_deref());
        self.check_across();
        specs
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

fn taken(functions: &Functions, package: PackageId, name: &str) -> bool {
    functions
        .find(name)
        .is_some_and(|known| known.package != package)
}

fn broken(old: &Function, failure: &Failure) -> Function {
    Function {
        id: old.id,
        name: Arc::clone(&old.name),
        package: old.package,
        entry: old.entry.clone(),
        settings: old.settings.clone(),
        env: old.env.clone(),
        failure: RefCell::new(Some(Rc::new(failure.clone()))),
    }
}

fn failure_of(problem: &Problem) -> Failure {
    match problem {
        Problem::Import { error, .. } => (**error).clone(),
        other => Failure::plain(other.to_string(), other.hint().as_deref()),
    }
}
