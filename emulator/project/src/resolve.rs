//! From what code exports to functions with settings.

use std::collections::BTreeMap;

use fnlocal_api::{Failure, cut};
use fnlocal_core::limits::LimitError;
use fnlocal_core::trigger::Signature;

use super::config::FunctionConfig;
use super::description::{DescribedFunction, DescribedModule};
use super::diagnostics::{FileError, KeyError, nearest};
use super::files::read_text_inside;
use super::settings::{self, FunctionSettings};
use super::{Package, Project, Warning, code_config, code_lines, names};

/// The maximum number of functions of a package.
const MAX_FUNCTIONS: usize = 1000;
/// The maximum length of a text from code in a message, in bytes.
pub(super) const MAX_SHOWN_BYTES: usize = 100;
/// The maximum number of warnings about a package.
const MAX_WARNINGS: usize = 100;
/// The maximum length of what is said of a bad value, which quotes it, in bytes.
const MAX_WHY_BYTES: usize = 1 << 10;

/// A package's functions.
#[derive(Debug, Default)]
pub struct Settled {
    /// Those that can run, in the order of the code.
    pub functions: Vec<SettledFunction>,
    /// Those that cannot, and files that cannot.
    pub problems: Vec<FunctionProblem>,
    /// Warnings that are no reason to stop.
    pub warnings: Vec<Warning>,
}

/// A function that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledFunction {
    /// Its name.
    pub name: String,
    /// The file it is in, relative to its package.
    pub entry: String,
    /// Its settings.
    pub settings: FunctionSettings,
}

/// Problems that only show when all packages are known.
#[derive(Debug, Default)]
pub struct Across {
    /// Names used twice, and a `default` that does not exist.
    pub problems: Vec<FunctionProblem>,
    /// `[functions.NAME]` tables of functions nobody exports.
    pub warnings: Vec<Warning>,
}

/// Why a function or a file cannot run.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionProblem {
    /// The file threw, or does not parse; `error` is the wrapper's report.
    #[error("{entry} could not be imported")]
    Import {
        /// The file.
        entry: String,
        /// The wrapper's report.
        error: Box<Failure>,
    },
    /// A name that cannot be a path.
    #[error("{entry} exports `{function}`, which cannot be a function's name")]
    Name {
        /// The name.
        function: String,
        /// The file.
        entry: String,
    },
    /// One name in two files.
    #[error("function `{function}` is defined twice: in {first} and in {second}")]
    Duplicate {
        /// The name.
        function: String,
        /// The file that comes first, which keeps the name.
        first: String,
        /// The other.
        second: String,
    },
    /// More functions than a package may have: none of them is served.
    #[error("{entry} brings its package to {count} functions; the maximum is {MAX_FUNCTIONS}")]
    TooMany {
        /// The file with most of them.
        entry: String,
        /// How many the package has.
        count: usize,
    },
    /// A bad value in code.
    #[error("function `{function}` in {entry}: {place} {why}", place = place(key))]
    Value {
        /// The function.
        function: String,
        /// The file.
        entry: String,
        /// The key in `config`, with dots between it and inner ones; empty for `config` itself.
        key: String,
        /// The error.
        why: String,
        /// One action that helps.
        hint: Option<String>,
    },
    /// Bounds that contradict each other once merged, by the code's doing.
    #[error("function `{function}` in {entry}: {error}")]
    Limits {
        /// The function.
        function: String,
        /// The file.
        entry: String,
        /// The error.
        error: LimitError,
    },
    /// The same, by `fnlocal.toml`'s doing.
    #[error("{error}")]
    File {
        /// The function concerned, if one is.
        function: Option<String>,
        /// The error and its place.
        error: Box<FileError>,
    },
}

fn place(key: &str) -> String {
    if key.is_empty() {
        "`config`:".to_owned()
    } else {
        format!("`config.{key}`:")
    }
}

impl FunctionProblem {
    /// The function concerned, if it is one: what has a name that no function may have is none.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Import { .. } | Self::TooMany { .. } | Self::Name { .. } => None,
            Self::Duplicate { function, .. }
            | Self::Value { function, .. }
            | Self::Limits { function, .. } => Some(function),
            Self::File { function, .. } => function.as_deref(),
        }
    }
}

fnlocal_api::user_error!(FunctionProblem: Config {
    Self::Name { .. } => names::RULE;
    Self::Duplicate { .. } => "rename one of them; names are shared by all packages";
    Self::Limits { .. } => "`config` in code, [defaults] and [functions.NAME] are merged in this order";
    Self::File { error, .. } => error.hint();
    Self::TooMany { .. } => "split the package, or export fewer functions";
    Self::Value { hint, .. } => hint.clone();
    Self::Import { .. } => None;
});

impl Project {
    /// The functions of a package, from what the wrapper says of its files.
    #[must_use]
    pub fn settle(&self, package: &Package, described: &[DescribedModule]) -> Settled {
        let mut settled = Settled::default();
        if let Some(problem) = self.too_many(package, described) {
            settled.problems.push(problem);
            return settled;
        }
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for module in described {
            if let Some(error) = &module.error {
                let entry = self.show(package, &module.entry);
                settled.problems.push(FunctionProblem::Import {
                    entry,
                    error: Box::new(error.clone()),
                });
            }
            for function in &module.functions {
                if let Some(first) = seen.insert(&function.name, &module.entry) {
                    settled.problems.push(FunctionProblem::Duplicate {
                        function: function.name.clone(),
                        first: self.show(package, first),
                        second: self.show(package, &module.entry),
                    });
                    seen.insert(&function.name, first);
                    continue;
                }
                self.settle_one(package, &module.entry, function, &mut settled);
            }
        }
        settled
    }

    fn too_many(
        &self,
        package: &Package,
        described: &[DescribedModule],
    ) -> Option<FunctionProblem> {
        let count = described.iter().map(|module| module.functions.len()).sum();
        let most = described
            .iter()
            .max_by_key(|module| module.functions.len())?;
        let entry = self.show(package, &most.entry);
        (count > MAX_FUNCTIONS).then_some(FunctionProblem::TooMany { entry, count })
    }

    /// Returns problems that only show when all packages are known. Of two functions with one name,
    /// the one in the first package keeps it.
    #[must_use]
    pub fn check_across(&self, described: &[(&Package, &[DescribedModule])]) -> Across {
        let mut across = Across::default();
        let mut seen: BTreeMap<&str, (&Package, String)> = BTreeMap::new();
        for (package, modules) in described {
            for module in *modules {
                for function in &module.functions {
                    let file = self.show(package, &module.entry);
                    match seen.get(function.name.as_str()) {
                        Some((other, first)) if other.id != package.id => {
                            across.problems.push(FunctionProblem::Duplicate {
                                function: function.name.clone(),
                                first: first.clone(),
                                second: file,
                            });
                        }
                        Some(_) => {}
                        None => drop(seen.insert(&function.name, (package, file))),
                    }
                }
            }
        }
        // A file that does not import may well export what seems to be missing.
        let broken = described
            .iter()
            .flat_map(|(_, modules)| *modules)
            .any(|module| module.error.is_some());
        if !broken {
            let names: Vec<&str> = seen.keys().copied().collect();
            self.check_named(&names, &mut across);
        }
        across
    }

    /// Names in `fnlocal.toml` that no function has.
    fn check_named(&self, names: &[&str], across: &mut Across) {
        let config = self.config();
        let guess = |name: &str| {
            nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"))
        };
        if let Some(name) = config
            .default
            .as_deref()
            .filter(|name| !names.contains(name))
        {
            let message = format!("`default` names `{name}`, which no file exports");
            let error = Box::new(
                self.file
                    .error_at(&["default"], message)
                    .with_hint(guess(name)),
            );
            across.problems.push(FunctionProblem::File {
                function: None,
                error,
            });
        }
        for (index, route) in config.routes.iter().enumerate() {
            let name = route.function.as_str();
            if names.contains(&name) {
                continue;
            }
            let message = format!("a route leads to `{name}`, which no file exports");
            let keys = ["routes", &index.to_string(), "function"];
            let error = self.file.error_at(&keys, message).with_hint(guess(name));
            across.problems.push(FunctionProblem::File {
                function: None,
                error: Box::new(error),
            });
        }
        for name in config
            .functions
            .keys()
            .filter(|name| !names.contains(&name.as_str()))
        {
            let message = format!("[functions.{name}] is about a function that no file exports");
            let error = self.file.error_at(&["functions", name], message);
            across.warnings.push(Warning {
                text: error.to_string(),
                hint: guess(name),
            });
        }
    }

    fn settle_one(
        &self,
        package: &Package,
        entry: &str,
        function: &DescribedFunction,
        out: &mut Settled,
    ) {
        let name = function.name.clone();
        let file = self.show(package, entry);
        if !names::is_function(&name) {
            return out.problems.push(FunctionProblem::Name {
                function: name,
                entry: file,
            });
        }
        let code = code_config::read(&function.config, self.config().limits.memory);
        for key in &code.unknown {
            // To find what was meant takes long.
            if out.warnings.len() == MAX_WARNINGS {
                break;
            }
            let hint = Some(code_config::nearest_key(key));
            let mut key = key.clone();
            cut(&mut key, MAX_SHOWN_BYTES);
            out.warnings.push(Warning {
                text: format!("function `{name}` in {file}: unknown key `{key}` in `config`"),
                hint,
            });
        }
        if !code.twice.is_empty() {
            let source = read_text_inside(&package.project_root, &package.root.join(entry));
            let source = source.unwrap_or_default();
            let problem = |keys: [String; 2]| code_lines::twice(&source, &name, &file, keys);
            return out.problems.extend(code.twice.into_iter().map(problem));
        }
        if !code.bad.is_empty() {
            let problem = |error: KeyError| FunctionProblem::Value {
                function: name.clone(),
                entry: file.clone(),
                key: shown(error.keys.join("."), MAX_SHOWN_BYTES),
                why: shown(error.what().to_owned(), MAX_WHY_BYTES),
                hint: error.hint.map(|hint| shown(hint, MAX_WHY_BYTES)),
            };
            return out.problems.extend(code.bad.into_iter().map(problem));
        }
        match self.merge(&name, &code.config, function.signature) {
            Ok(settings) => out.functions.push(SettledFunction {
                name,
                entry: entry.to_owned(),
                settings,
            }),
            Err(error) => out.problems.push(self.contradiction(name, file, error)),
        }
    }

    /// Merges in the order [`super::settings`] documents.
    fn merge(
        &self,
        name: &str,
        code: &FunctionConfig,
        found: Option<Signature>,
    ) -> Result<FunctionSettings, LimitError> {
        let config = self.config();
        let project = settings::of_project(config);
        let mut layers = vec![&project, &config.defaults, code];
        layers.extend(config.functions.get(name));
        settings::merge(&layers, self.profile, found)
    }

    /// Says a contradiction where it was written: in the file if a key of it is there, else in code.
    fn contradiction(&self, function: String, entry: String, error: LimitError) -> FunctionProblem {
        let config = self.config();
        let has = |table: &FunctionConfig, key: &str| {
            serde_json::to_value(table).is_ok_and(|json| !json[key].is_null())
        };
        let own = config.functions.get(&function);
        for key in [error.key, settings::counterpart(error.key)] {
            let keys = if own.is_some_and(|own| has(own, key)) {
                vec!["functions", &function, key]
            } else if has(&config.defaults, key) {
                vec!["defaults", key]
            } else {
                continue;
            };
            let message = format!("function `{function}`: {error}");
            let error = Box::new(self.file.error_at(&keys, message));
            let function = Some(function);
            return FunctionProblem::File { function, error };
        }
        FunctionProblem::Limits {
            function,
            entry,
            error,
        }
    }

    /// A package's file as people know it: relative to the project.
    #[must_use]
    pub fn show(&self, package: &Package, entry: &str) -> String {
        let path = package.root.join(entry);
        path.strip_prefix(&self.root)
            .unwrap_or(&path)
            .display()
            .to_string()
    }
}

fn shown(mut text: String, bytes: usize) -> String {
    cut(&mut text, bytes);
    text
}
