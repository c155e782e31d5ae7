//! A project as another platform's file describes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{entries, plain};
use super::schedule;

/// A project, and what could not be taken over of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedProject {
    /// Its name, if the file has one.
    pub name: Option<String>,
    /// Folders that are packages, relative to the file; empty for the usual ones.
    pub packages: Vec<String>,
    /// Functions by name.
    pub functions: BTreeMap<String, ImportedFunction>,
    /// Paths that lead to functions.
    pub routes: Vec<ImportedRoute>,
    /// The function that gets all other paths.
    pub default: Option<String>,
    /// Lambda handlers get events of REST APIs.
    pub rest_events: bool,
    /// Variables with values that stand in the file.
    pub variables: BTreeMap<String, String>,
    /// The parts that could not be taken over, one sentence each.
    pub left: Vec<String>,
}

/// A function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedFunction {
    /// Where its code is, if that is not where fnlocal looks.
    pub code: Option<HandlerPlace>,
    /// The value of `signature`, if its shape does not say.
    pub signature: Option<&'static str>,
    /// Lambda events of format 1.0.
    pub rest_events: bool,
    /// The memory in MB.
    pub memory_mb: Option<u64>,
    /// The timeout in seconds.
    pub timeout_s: Option<u64>,
    /// The maximum number of instances.
    pub max_instances: Option<u64>,
    /// The number of instances kept ready.
    pub min_instances: Option<u64>,
    /// Names of its variables.
    pub env: Vec<String>,
    /// A cron expression of five fields.
    pub schedule: Option<String>,
}

/// An export of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerPlace {
    /// The package's folder, relative to the project; empty for the project's own.
    pub package: String,
    /// The file, relative to its package.
    pub file: String,
    /// The export's name.
    pub export: String,
}

/// A path that leads to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedRoute {
    /// The path with parameters as `{id}` and `{rest+}`.
    pub path: String,
    /// The methods; empty for all.
    pub methods: Vec<String>,
    /// The function's name.
    pub function: String,
}

impl ImportedProject {
    /// Notes what could not be taken over.
    pub(super) fn leave(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.left.contains(&what) {
            self.left.push(what);
        }
    }

    /// Adds a route, unless it is there.
    pub(super) fn route(&mut self, method: &str, path: &str, function: &str) {
        let method = method.to_ascii_uppercase();
        let all = matches!(method.as_str(), "ANY" | "*" | "");
        let route = ImportedRoute {
            path: path.to_owned(),
            methods: if all { Vec::new() } else { vec![method] },
            function: function.to_owned(),
        };
        let known = self.routes.iter_mut();
        let mut same = known.filter(|one| one.path == path && one.function == function);
        match same.next() {
            Some(before) if before.methods.is_empty() || all => before.methods.clear(),
            Some(before) => {
                before.methods.extend(route.methods);
                before.methods.sort();
                before.methods.dedup();
            }
            None => self.routes.push(route),
        }
    }

    /// Takes over variables; those without a plain value are left for a person.
    pub(super) fn environment(&mut self, variables: &Value, env: &mut Vec<String>, of: &str) {
        for (name, value) in entries(variables) {
            match plain(value) {
                Some(value) => {
                    self.variables.insert(name.clone(), value);
                    env.push(name.clone());
                }
                None => self.leave(format!("variable {name} of {of}: its value is made at deployment; write it to .env, and the name to `env`")),
            }
        }
        env.sort();
        env.dedup();
    }

    /// Sets a function's schedule from an expression of AWS's or of cron.
    pub(super) fn schedule(&mut self, name: &str, function: &mut ImportedFunction, text: &str) {
        match schedule::cron(text) {
            Some(cron) if function.schedule.is_none() => function.schedule = Some(cron),
            Some(_) => self.leave(format!(
                "schedule {text} of {name}: a function has one schedule"
            )),
            None => self.leave(format!(
                "schedule {text} of {name}: it is no cron expression of five fields"
            )),
        }
    }
}
