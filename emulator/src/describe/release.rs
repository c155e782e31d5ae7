//! The functions of a release.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use fnlocal_core::release::{Release, ReleaseFunction, ReleasePackage};
use fnlocal_core::{CodeHash, FunctionSpec, PackageId};

use super::{FoundFunctions, import_failed, variables};
use fnlocal_api::Failure;
use fnlocal_driver::{Describe, Function, Functions};
use fnlocal_logs::Logs;
use fnlocal_project::{BodyMode, DescribedModule, Environment, FunctionSettings};

/// A variable's value by its name.
type VariableLookup = Box<dyn Fn(&str) -> Option<String>>;

/// Knows a release. Instances' descriptions are only checked against it: the release decides.
pub(crate) struct ReleaseDescriber {
    release: Release,
    environment: Environment,
    shell: VariableLookup,
    logs: Logs,
    broken: RefCell<Vec<String>>,
}

impl ReleaseDescriber {
    /// `shell` has the variables that only go to functions that declare them.
    pub fn new(
        release: Release,
        environment: Environment,
        shell: impl Fn(&str) -> Option<String> + 'static,
        logs: Logs,
    ) -> Rc<Self> {
        Rc::new(Self {
            release,
            environment,
            shell: Box::new(shell),
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

    /// The reason each function that cannot be served was rejected.
    pub fn broken(&self) -> Vec<String> {
        self.broken.borrow().clone()
    }

    fn add(
        &self,
        released: &ReleaseFunction,
        failure: Option<Failure>,
        found: &mut FoundFunctions<'_>,
    ) {
        let name = &released.name;
        let env = variables(&self.environment, name, &released.env, &self.shell);
        let (env, failure) = match env {
            Ok(env) => (env, failure),
            Err(failure) => (BTreeMap::new(), Some(failure)),
        };
        if let Some(failure) = &failure {
            let text = format!("/{name}: {}", failure.summary());
            let mut broken = self.broken.borrow_mut();
            // Logged once, however many nodes find it.
            if !broken.contains(&text) {
                broken.push(text);
                self.logs.send(import_failed(name, failure));
            }
        }
        found.add(name, &released.entry, settings(released), env, failure);
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
        signature: released.triggers.signature.unwrap_or_default(),
    }
}

impl Describe for ReleaseDescriber {
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
        let mut found = FoundFunctions::new(package, functions);
        for function in &released.functions {
            self.add(function, missing(function, &described), &mut found);
        }
        found.install(self.release.default.as_deref(), &self.release.routes)
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
