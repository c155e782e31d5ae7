//! A release: an immutable list of functions, image digests and limits.
//!
//! A release names everything that decides how a project behaves, except for the values of its
//! variables, which are secrets and stay where they are. The hash of the bytes that [`Release`]
//! serialises to identifies a release; the store computes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{FunctionLimits, LimitError, OverRate};
use crate::route_table::{RouteSpec, RouteTable};
use crate::trigger::{FunctionTriggers, ScheduleSpec};

/// The version of this format.
pub const SCHEMA: u32 = 1;

/// An immutable list of what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The project's name.
    pub project: String,
    /// When it was made, as RFC 3339 in UTC.
    pub created: String,
    /// The version of fnlocal that made it.
    pub fnlocal: String,
    /// The commit it was made from; none outside of git.
    pub commit: Option<Commit>,
    /// The function that answers `/` and whatever no name matches.
    pub default: Option<String>,
    /// Paths that lead to functions. Releases of older versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteSpec>,
    /// Bounds of all functions together.
    pub limits: ReleaseLimits,
    /// By name.
    pub packages: Vec<ReleasePackage>,
}

/// A commit of git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Its full hash, in hexadecimal.
    pub id: String,
    /// Files differed from it.
    pub dirty: bool,
}

/// Bounds of all functions of a project together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLimits {
    /// Instances of all functions on a node.
    pub max_instances: Option<u32>,
    /// Requests a second on a node.
    pub rps: Option<u32>,
    /// Requests that may come at once within `rps`.
    pub burst: Option<u32>,
    /// The treatment of requests over `rps`.
    pub over_rate: OverRate,
    /// Time without a byte in either direction after which a stream is ended, in milliseconds.
    pub idle_timeout_ms: Option<u64>,
    /// Time for a request's head, and for an unused connection, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_timeout_ms: Option<u64>,
    /// Time for a body that is parsed to arrive, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_timeout_ms: Option<u64>,
    /// Size of a request's head at most, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_header_bytes: Option<u64>,
}

/// A package: functions that share one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasePackage {
    /// Its name.
    pub name: String,
    /// The repository of its image, without a registry's address.
    pub repository: String,
    /// Digest of its image's manifest or index: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Hash of its files, as `x-fnlocal-code` shows it: 16 hexadecimal digits.
    pub code: String,
    /// The word of its language. Releases of older versions, and of the usual language, have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Files the wrapper imports, relative to `/app`.
    pub entries: Vec<String>,
    /// By name.
    pub functions: Vec<ReleaseFunction>,
}

/// A function of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFunction {
    /// Its name, as in its path.
    pub name: String,
    /// The file that exports it, relative to its package.
    pub entry: String,
    /// Its bounds.
    pub limits: FunctionLimits,
    /// The maximum size of a request's body in bytes.
    pub body_limit: u64,
    /// The maximum size of a response's body in bytes; `None` for no bound.
    pub response_limit: Option<u64>,
    /// The handler reads the body itself.
    pub streams: bool,
    /// Names of the variables it needs, sorted.
    pub env: Vec<String>,
    /// When it is called by itself.
    pub schedule: Option<ScheduleSpec>,
    /// The other callers of the function. Releases of older versions have none.
    #[serde(default)]
    pub triggers: FunctionTriggers,
}

impl Release {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn validate(self) -> Result<Self, ReleaseError> {
        if self.schema != SCHEMA {
            return Err(ReleaseError::Schema(self.schema));
        }
        let mut packages = BTreeSet::new();
        let mut functions = BTreeSet::new();
        for package in &self.packages {
            if !packages.insert(&package.name) {
                return Err(ReleaseError::Twice(package.name.clone()));
            }
            if !is_digest(&package.digest) {
                return Err(ReleaseError::Digest(package.digest.clone()));
            }
            if !is_hex(&package.code, 16) {
                return Err(ReleaseError::Code(package.code.clone()));
            }
            for function in &package.functions {
                if !functions.insert(&function.name) {
                    return Err(ReleaseError::Twice(function.name.clone()));
                }
                if let Err(error) = function.limits.clone().validate() {
                    return Err(ReleaseError::Limits(function.name.clone(), error));
                }
            }
        }
        if let Err(conflict) = RouteTable::new(&self.routes) {
            return Err(ReleaseError::Route(conflict.why));
        }
        let missing = |route: &&RouteSpec| !functions.contains(&route.function);
        if let Some(route) = self.routes.iter().find(missing) {
            let why = format!(
                "it leads to `{}`, which is not in the release",
                route.function
            );
            return Err(ReleaseError::Route(format!("{}: {why}", route.path)));
        }
        match &self.default {
            Some(default) if !functions.contains(default) => {
                Err(ReleaseError::Default(default.clone()))
            }
            _ => Ok(self),
        }
    }

    /// All functions with their packages, by name.
    #[must_use]
    pub fn functions(&self) -> BTreeMap<&str, (&ReleasePackage, &ReleaseFunction)> {
        let packages = self.packages.iter();
        packages
            .flat_map(|package| {
                let functions = package.functions.iter();
                functions.map(move |function| (function.name.as_str(), (package, function)))
            })
            .collect()
    }

    /// Returns the differences that callers see when `next` takes this release's place, by name.
    #[must_use]
    pub fn diff<'a>(&'a self, next: &'a Self) -> Vec<FunctionDifference<'a>> {
        let (old, new) = (self.functions(), next.functions());
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let mut differences = Vec::new();
        for name in names {
            let change = match (old.get(name), new.get(name)) {
                (None, Some(_)) => Some(FunctionChange::Added),
                (Some(_), None) => Some(FunctionChange::Removed),
                (Some((old_in, old)), Some((new_in, new))) => changed(old_in, old, new_in, new),
                (None, None) => None,
            };
            differences.extend(change.map(|change| FunctionDifference { name, change }));
        }
        differences
    }
}

/// The difference of one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionDifference<'a> {
    /// Its name.
    pub name: &'a str,
    /// The change.
    pub change: FunctionChange,
}

/// How a function changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FunctionChange {
    /// The function is new.
    Added,
    /// The function is gone.
    Removed,
    /// The function stays, with changes.
    Changed {
        /// Its files are others.
        code: bool,
        /// Its image is another although its files are the same: base, dependencies or wrapper.
        image: bool,
        /// Its bounds or what else its configuration says.
        settings: bool,
    },
}

fn changed(
    old_in: &ReleasePackage,
    old: &ReleaseFunction,
    new_in: &ReleasePackage,
    new: &ReleaseFunction,
) -> Option<FunctionChange> {
    let code = old_in.code != new_in.code;
    let image = !code && old_in.digest != new_in.digest;
    let settings = old != new;
    (code || image || settings).then_some(FunctionChange::Changed {
        code,
        image,
        settings,
    })
}

impl fmt::Display for FunctionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Changed {
            code,
            image,
            settings,
        } = self
        else {
            return f.write_str(if *self == Self::Added {
                "added"
            } else {
                "removed"
            });
        };
        let parts = [(code, "code"), (image, "image"), (settings, "settings")];
        let said: Vec<&str> = parts
            .iter()
            .filter(|(is, _)| **is)
            .map(|(_, word)| *word)
            .collect();
        write!(f, "changed: {}", said.join(", "))
    }
}

/// Why a release cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// The release has another version of the format.
    Schema(u32),
    /// A name stands there twice.
    Twice(String),
    /// A digest is none.
    Digest(String),
    /// A hash of code is none.
    Code(String),
    /// A function's bounds make no sense.
    Limits(String, LimitError),
    /// A route that cannot be served.
    Route(String),
    /// The default function is not there.
    Default(String),
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(version) => {
                write!(f, "the release's format is {version}, and this is {SCHEMA}")
            }
            Self::Twice(name) => write!(f, "`{name}` is in the release twice"),
            Self::Digest(digest) => write!(f, "`{digest}` is not a digest"),
            Self::Code(code) => write!(f, "`{code}` is not a hash of code"),
            Self::Limits(name, _) => write!(f, "the limits of `{name}` make no sense"),
            Self::Route(why) => write!(f, "a route cannot be served: {why}"),
            Self::Default(name) => write!(f, "the default function `{name}` is not in the release"),
        }
    }
}

impl std::error::Error for ReleaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Limits(_, error) => Some(error),
            _ => None,
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|digits| is_hex(digits, 64))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
