//! A release's functions, as the driver asks for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::release::{Release, ReleaseFunction, ReleasePackage};
use fnlocal_core::{CodeHash, FunctionSpec, PackageId};

use fnlocal_api::{Failure, UserError};
use fnlocal_driver::{Describe, Function, Functions};
use fnlocal_logs::{Logs, Record};
use fnlocal_project::{BodyMode, DescribedModule, Environment, FunctionSettings};

/// A variable's value by its name.
pub type Shell = Box<dyn Fn(&str) -> Option<String>>;

/// Knows a release. What instances say of themselves is only held against it: the release decides.
pub struct Describer {
    release: Release,
    environment: Environment,
    shell: Shell,
    logs: Logs,
    broken: RefCell<Vec<String>>,
}

impl Describer {
    /// `shell` has the variables that only go to functions that declare them.
    pub fn new(release: Release, environment: Environment, shell: Shell, logs: Logs) -> Rc<Self> {
        Rc::new(Self {
            release,
            environment,
            shell,
            logs,
            broken: RefCell::default(),
        })
    }

    /// The release.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The release's packages with their numbers.
    pub fn packages(&self) -> impl Iterator<Item = (PackageId, &ReleasePackage)> {
        (0..).map(PackageId).zip(&self.release.packages)
    }

    /// Why packages cannot be served that cannot.
    pub fn broken(&self) -> Vec<String> {
        self.broken.borrow().clone()
    }

    fn function(
        &self,
        package: PackageId,
        released: &ReleaseFunction,
        failure: Option<Failure>,
        functions: &mut Functions,
    ) -> Function {
        let env = self
            .environment
            .of_function(&released.name, &released.env, &self.shell);
        let (env, failure) = match env {
            Ok(env) => (env, failure),
            Err(error) => {
                let failure = Failure::plain(error.to_string(), error.hint().as_deref());
                (BTreeMap::new(), Some(failure))
            }
        };
        if let Some(failure) = &failure {
            let text = format!("/{}: {}", released.name, failure.summary());
            let mut broken = self.broken.borrow_mut();
            // Told once, however many nodes find it.
            if !broken.contains(&text) {
                broken.push(text);
                self.logs.send(Record::ImportFailed {
                    function: Arc::from(released.name.as_str()),
                    failure: failure.clone(),
                });
            }
        }
        Function {
            id: functions.id(&released.name),
            name: Arc::from(released.name.as_str()),
            package,
            entry: released.entry.clone(),
            settings: settings(released),
            env,
            failure: RefCell::new(failure.map(Rc::new)),
        }
    }
}

fn settings(released: &ReleaseFunction) -> FunctionSettings {
    FunctionSettings {
        limits: released.limits.clone(),
        body_limit: released.body_limit,
        response_limit: released.response_limit,
        body: if released.streams {
            BodyMode::Stream
        } else {
            BodyMode::default()
        },
        env: released.env.clone(),
        schedule: released.schedule.clone(),
        triggers: released.triggers.clone(),
    }
}

impl Describe for Describer {
    fn describe(
        &self,
        package: PackageId,
        _code: CodeHash,
        described: Result<Vec<DescribedModule>, Failure>,
        functions: &mut Functions,
    ) -> Vec<FunctionSpec> {
        let Some((_, released)) = self.packages().find(|(id, _)| *id == package) else {
            return Vec::new();
        };
        let found: Vec<Function> = released
            .functions
            .iter()
            .map(|function| {
                let failure = missing(function, &described);
                self.function(package, function, failure, functions)
            })
            .collect();
        let specs = found
            .iter()
            .map(|function| FunctionSpec {
                function: function.id,
                limits: function.settings.limits.clone(),
                broken: function.failure.borrow().is_some(),
            })
            .collect();
        functions.replace(package, found);
        functions.set_default(self.release.default.as_deref());
        specs
    }

    fn switched(&self, _function: &Function, _code: CodeHash, _files: &str) {}
}

/// Why a released function is not in what its image says of itself.
fn missing(
    function: &ReleaseFunction,
    described: &Result<Vec<DescribedModule>, Failure>,
) -> Option<Failure> {
    let modules = match described {
        Ok(modules) => modules,
        Err(failure) => return Some(failure.clone()),
    };
    let mut modules = modules.iter();
    let module = modules.find(|module| module.entry == function.entry);
    if let Some(error) = module.and_then(|module| module.error.clone()) {
        return Some(error);
    }
    let mut names = module.iter().flat_map(|module| &module.functions);
    (!names.any(|one| one.name == function.name)).then(|| {
        let text = format!("the image's {} does not export it", function.entry);
        Failure::plain(text, Some("build the release anew"))
    })
}
