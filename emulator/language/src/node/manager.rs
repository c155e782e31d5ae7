//! Package managers: which one a lock file asks for, and what is run for it.
//!
//! npm is there with Node. The others are installed by it, in the version the package names or its
//! lock file was written by, beside the install and not into the image.

use serde_json::{Map, Value};

/// A package manager in a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    /// npm, in the version that is there.
    Npm,
    Pnpm(String),
    /// Yarn 1.
    Classic(String),
    /// Yarn 2 and later, made to write `node_modules`.
    Berry(String),
}

/// A member of a workspace, whose dependencies alone are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its folder, relative to the workspace's.
    pub folder: String,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// For every npm that runs.
const NPM: [&str; 4] = [
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--loglevel=warn",
];

impl Manager {
    /// The one of a name that wrote a lock file; nothing for one we cannot run.
    pub fn from_lockfile(name: &str, lock: &[u8], manifest: &Map<String, Value>) -> Option<Self> {
        let lock = String::from_utf8_lossy(lock);
        let named = |name: &str| named(manifest, name);
        match name {
            "npm" => Some(Self::Npm),
            "pnpm" => Some(Self::Pnpm(
                named("pnpm").unwrap_or_else(|| pnpm_of(&lock).to_owned()),
            )),
            "yarn" => Some(match berry_of(&lock) {
                Some(version) => Self::Berry(named("yarn").unwrap_or_else(|| version.to_owned())),
                None => Self::Classic(named("yarn").unwrap_or_else(|| "1".to_owned())),
            }),
            _ => None,
        }
    }

    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm(_) => "pnpm",
            Self::Classic(_) | Self::Berry(_) => "yarn",
        }
    }

    /// Returns the package that npm installs first, if the manager is not npm itself.
    fn installed_as(&self) -> Option<String> {
        match self {
            Self::Npm => None,
            Self::Pnpm(version) => Some(format!("pnpm@{version}")),
            Self::Classic(version) => Some(format!("yarn@{version}")),
            Self::Berry(version) => Some(format!("@yarnpkg/cli-dist@{version}")),
        }
    }

    /// Commands that install into `work/node_modules`, one after the other. `target` is an
    /// architecture that is not the one they run on; `member` the package, if they run in its
    /// workspace's folder.
    pub fn steps(
        &self,
        work: &str,
        locked: bool,
        target: Option<&str>,
        member: Option<&Member>,
    ) -> Vec<Vec<String>> {
        let mut steps = Vec::new();
        if let Some(what) = self.installed_as() {
            let place = format!("--prefix={work}/manager");
            let words = ["npm", "install", "--no-save", &place, &what];
            steps.push(owned(&[&words[..], &NPM].concat()));
        }
        let program = format!("{work}/manager/node_modules/.bin/{}", self.name());
        let program = program.as_str();
        match self {
            Self::Npm => {
                let verb = if locked { "ci" } else { "install" };
                let words = ["npm", verb, "--omit=dev"];
                let mut words = owned(&[&words[..], &NPM].concat());
                if let Some(target) = target {
                    words.extend(["--os=linux".to_owned(), format!("--cpu={}", cpu(target))]);
                }
                words.extend(member.map(|member| format!("--workspace={}", member.folder)));
                steps.push(words);
            }
            Self::Pnpm(_) => {
                let store = format!("--store-dir={work}/store");
                let words = [program, "install", "--prod", "--frozen-lockfile", &store];
                let ours = [
                    "--reporter=append-only",
                    "--config.package-import-method=copy",
                ];
                let mut words = owned(&[&words[..], &ours].concat());
                // With what it depends on.
                words.extend(member.map(|member| format!("--filter={{{}}}...", member.folder)));
                steps.push(words);
            }
            Self::Classic(_) => {
                let cache = format!("--cache-folder={work}/cache");
                let words = [program, "install", "--production", "--frozen-lockfile"];
                steps.push(owned(
                    &[&words[..], &["--non-interactive", &cache]].concat(),
                ));
            }
            // Only a whole install checks the lock file; the second drops what is for development.
            Self::Berry(version) if version.starts_with(['2', '3']) => {
                steps.push(owned(&[program, "install", "--immutable"]));
            }
            Self::Berry(_) => {
                steps.push(owned(&[
                    program,
                    "install",
                    "--immutable",
                    "--mode=skip-build",
                ]));
                let mut focus = owned(&[program, "workspaces", "focus"]);
                focus.extend(member.and_then(|member| member.name.clone()));
                focus.push("--production".to_owned());
                steps.push(focus);
            }
        }
        steps
    }

    /// Environment of these commands, given what npm's settings are.
    pub fn env(&self, work: &str, registry: Option<&str>) -> Vec<String> {
        if *self == Self::Npm {
            return Vec::new();
        }
        let mut env = owned(&[
            "CI=true",
            "YARN_NODE_LINKER=node-modules",
            // The package's own copy of Yarn is not taken along.
            "YARN_IGNORE_PATH=1",
            "YARN_ENABLE_TELEMETRY=0",
            "YARN_ENABLE_GLOBAL_CACHE=0",
        ]);
        if matches!(self, Self::Berry(_)) {
            env.push(format!("YARN_CACHE_FOLDER={work}/cache"));
            env.extend(registry.map(|url| format!("YARN_NPM_REGISTRY_SERVER={url}")));
        }
        env
    }
}

/// An architecture as Node and npm spell it.
fn cpu(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x64",
        same => same,
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The version in package.json's `packageManager`, such as `pnpm@9.1.0+sha512.…`.
fn named(manifest: &Map<String, Value>, name: &str) -> Option<String> {
    let text = manifest.get("packageManager")?.as_str()?;
    let version = text.strip_prefix(name)?.strip_prefix('@')?;
    let version = version.split('+').next().unwrap_or(version);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (!version.is_empty() && version.chars().all(plain)).then(|| version.to_owned())
}

/// The newest pnpm that writes lock files of this version.
fn pnpm_of(lock: &str) -> &'static str {
    let version = value(lock, "lockfileVersion:");
    match version.split('.').next() {
        Some("5") => "7",
        Some("6") => "8",
        _ => "10",
    }
}

/// The Yarn that writes lock files of this version; nothing for Yarn 1.
fn berry_of(lock: &str) -> Option<&'static str> {
    let at = lock.find("__metadata:")?;
    Some(match value(&lock[at..], "version:") {
        "4" | "5" => "2",
        "6" | "7" => "3",
        _ => "4",
    })
}

/// Returns the text after a key, without quotes.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
    line.unwrap_or_default().trim().trim_matches(['\'', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, lock: &str, manager: Option<&str>) -> Option<Manager> {
        let mut manifest = Map::new();
        if let Some(manager) = manager {
            manifest.insert("packageManager".to_owned(), manager.into());
        }
        Manager::from_lockfile(name, lock.as_bytes(), &manifest)
    }

    #[test]
    fn the_version_is_the_one_named_or_the_one_that_wrote_the_lock_file() {
        let named = of(
            "pnpm",
            "lockfileVersion: '9.0'\n",
            Some("pnpm@9.1.0+sha512.ab"),
        );
        assert_eq!(named, Some(Manager::Pnpm("9.1.0".to_owned())));
        let written = of("pnpm", "lockfileVersion: '6.1'\n", None);
        assert_eq!(written, Some(Manager::Pnpm("8".to_owned())));
        let classic = of("yarn", "# yarn lockfile v1\n", None);
        assert_eq!(classic, Some(Manager::Classic("1".to_owned())));
        let berry = of("yarn", "__metadata:\n  version: 8\n", None);
        assert_eq!(berry, Some(Manager::Berry("4".to_owned())));
    }

    #[test]
    fn a_name_that_is_no_version_is_not_run() {
        let lock = "lockfileVersion: '9.0'\n";
        let odd = of("pnpm", lock, Some("pnpm@file:../evil"));
        assert_eq!(odd, Some(Manager::Pnpm("10".to_owned())));
    }

    #[test]
    fn npm_is_told_of_a_foreign_platform() {
        let steps = Manager::Npm.steps("/w", true, Some("arm64"), None);
        assert_eq!(steps[0][..3], ["npm", "ci", "--omit=dev"]);
        assert!(steps[0].contains(&"--cpu=arm64".to_owned()));
        let steps = Manager::Npm.steps("/w", true, Some("amd64"), None);
        assert!(steps[0].contains(&"--cpu=x64".to_owned()));
    }
}
