//! From what a package's code says of itself to the functions a driver serves.

mod folder;
mod release;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::route_table::{RouteSpec, RouteTable};
use fnlocal_core::{FunctionSpec, PackageId};

use fnlocal_api::{Failure, UserError};
use fnlocal_driver::{Function, Functions};
use fnlocal_logs::Record;
use fnlocal_project::{Environment, FunctionSettings};

pub(crate) use folder::FolderDescriber;
pub(crate) use release::ReleaseDescriber;

/// The functions that were found in a package.
struct FoundFunctions<'a> {
    package: PackageId,
    /// The functions of all packages.
    all: &'a mut Functions,
    found: Vec<Function>,
}

impl<'a> FoundFunctions<'a> {
    fn new(package: PackageId, all: &'a mut Functions) -> Self {
        Self {
            package,
            all,
            found: Vec::new(),
        }
    }

    /// Returns whether another package has a function of this name.
    fn is_taken(&self, name: &str) -> bool {
        let known = self.all.find(name);
        known.is_some_and(|known| known.package != self.package)
    }

    fn add(
        &mut self,
        name: &str,
        entry: &str,
        settings: FunctionSettings,
        env: BTreeMap<String, String>,
        failure: Option<Failure>,
    ) {
        self.found.push(Function {
            id: self.all.id(name),
            name: Arc::from(name),
            package: self.package,
            entry: entry.to_owned(),
            settings,
            env,
            failure: RefCell::new(failure.map(Rc::new)),
        });
    }

    /// Adds a function as it was, with the reason it cannot be served now.
    fn add_broken(&mut self, old: &Function, failure: &Failure) {
        let (settings, env) = (old.settings.clone(), old.env.clone());
        self.add(&old.name, &old.entry, settings, env, Some(failure.clone()));
    }

    /// Puts what was found in place of what the package had. `default` answers `/`.
    fn install(self, default: Option<&str>, routes: &[RouteSpec]) -> Vec<FunctionSpec> {
        let found = self.found.iter();
        let specs = found.map(|function| FunctionSpec {
            function: function.id,
            limits: function.settings.limits.clone(),
            broken: function.failure.borrow().is_some(),
        });
        let specs = specs.collect();
        self.all.replace(self.package, self.found);
        self.all.set_default(default);
        // What was read is checked: a file as it is loaded, a release by its own check.
        self.all
            .set_routes(RouteTable::new(routes).unwrap_or_default());
        specs
    }
}

/// The variables of a function, or the reason it has none.
fn variables(
    environment: &Environment,
    function: &str,
    declared: &[String],
    shell: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let variables = environment.of_function(function, declared, shell);
    variables.map_err(|error| Failure::plain(error.to_string(), error.hint().as_deref()))
}

fn import_failed(function: &str, failure: &Failure) -> Record {
    Record::ImportFailed {
        function: Arc::from(function),
        failure: failure.clone(),
    }
}
