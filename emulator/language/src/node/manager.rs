//! Package managers: which one a lock file asks for, and what is run for it.
//!
//! npm is there with Node. The others are installed by it, in the version the package names or its
//! lock file was written by, beside the install and not into the image.

mod plan;

use serde_json::{Map, Value};

pub(super) use plan::ManagerInstall;

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

/// Takes the scripts out of package.json, so that what comes after their run does not run them again.
const FORGET_SCRIPTS: &str = "const fs = require('node:fs'), file = 'package.json'; \
    const { scripts, ...rest } = JSON.parse(fs.readFileSync(file, 'utf8')); \
    fs.writeFileSync(file, JSON.stringify(rest));";
/// Removes what npm installed for development.
const PRUNE: &str = include_str!("prune.cjs");
/// For every pnpm that runs.
const PNPM: [&str; 2] = [
    "--reporter=append-only",
    "--config.package-import-method=copy",
];
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

    /// The same in the version of the Yarn that a project brings, if its file's name says one.
    pub fn brought_as(self, yarn: Option<&str>) -> Self {
        let version = yarn.and_then(|path| {
            let name = path.rsplit('/').next()?;
            name.strip_prefix("yarn-")?.strip_suffix(".cjs")
        });
        let digit = |version: &&str| version.starts_with(|c: char| c.is_ascii_digit());
        match (self, version.filter(digit)) {
            (Self::Berry(_), Some(version)) => Self::Berry(version.to_owned()),
            (other, _) => other,
        }
    }

    pub fn is_yarn(&self) -> bool {
        matches!(self, Self::Classic(_) | Self::Berry(_))
    }

    /// Returns whether development dependencies stay when the package's own scripts run.
    pub fn keeps_development(&self) -> bool {
        self.is_yarn() && !self.focuses()
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

    /// Commands that install into `node_modules` of the folder they run in, one after the other.
    pub fn steps(&self, plan: &ManagerInstall<'_>) -> Vec<Vec<String>> {
        let mut steps = Vec::new();
        if plan.yarn.is_none()
            && let Some(what) = self.installed_as()
        {
            let place = format!("--prefix={}/manager", plan.work);
            let words = ["npm", "install", "--no-save", &place, &what];
            steps.push(owned(&[&words[..], &NPM].concat()));
        }
        steps.push(self.install(plan));
        if plan.scripts {
            // The package's own scripts have run, with its tools for development there.
            steps.push(owned(&["node", "-e", FORGET_SCRIPTS]));
            steps.extend(self.prune(plan));
        } else if self.focuses() {
            steps.push(self.focus(plan));
        }
        steps
    }

    /// Only a whole install checks Yarn's lock file; a second step drops what is for development.
    fn focuses(&self) -> bool {
        matches!(self, Self::Berry(version) if !version.starts_with(['2', '3']))
    }

    fn install(&self, plan: &ManagerInstall<'_>) -> Vec<String> {
        let mut words = self.program(plan);
        let ManagerInstall { work, scripts, .. } = *plan;
        let mut add = |more: &[&str]| words.extend(owned(more));
        match self {
            Self::Npm => {
                add(&[if plan.locked { "ci" } else { "install" }]);
                add(&[if scripts {
                    "--include=dev"
                } else {
                    "--omit=dev"
                }]);
                add(&NPM);
                words.extend(plan.foreign());
                words.extend(
                    plan.member
                        .map(|member| format!("--workspace={}", member.folder)),
                );
            }
            Self::Pnpm(_) => {
                add(&["install", "--frozen-lockfile"]);
                add(&[if scripts { "--prod=false" } else { "--prod" }]);
                add(&[&format!("--store-dir={work}/store")]);
                add(&PNPM);
                // With what it depends on.
                words.extend(
                    plan.member
                        .map(|member| format!("--filter={{{}}}...", member.folder)),
                );
            }
            Self::Classic(_) => {
                add(&["install", "--frozen-lockfile", "--non-interactive"]);
                add(&[if scripts {
                    "--production=false"
                } else {
                    "--production"
                }]);
                add(&[&format!("--cache-folder={work}/cache")]);
            }
            Self::Berry(_) => {
                add(&["install", "--immutable"]);
                if self.focuses() && !scripts {
                    add(&["--mode=skip-build"]);
                }
            }
        }
        words
    }

    /// Removes what is for development. Yarn 1 would undo what scripts changed; Yarn 2 and 3 cannot.
    fn prune(&self, plan: &ManagerInstall<'_>) -> Option<Vec<String>> {
        let mut words = self.program(plan);
        match self {
            Self::Npm => Some(owned(&["node", "-e", PRUNE])),
            Self::Pnpm(_) => {
                words.extend(owned(&["install", "--prod", "--frozen-lockfile"]));
                words.extend(owned(&[
                    "--ignore-scripts",
                    "--config.modules-cache-max-age=0",
                ]));
                words.push(format!("--store-dir={}/store", plan.work));
                words.extend(owned(&PNPM));
                Some(words)
            }
            Self::Berry(_) if self.focuses() => Some(self.focus(plan)),
            Self::Classic(_) | Self::Berry(_) => None,
        }
    }

    fn focus(&self, plan: &ManagerInstall<'_>) -> Vec<String> {
        let mut words = self.program(plan);
        words.extend(owned(&["workspaces", "focus"]));
        words.extend(plan.member.and_then(|member| member.name.clone()));
        words.push("--production".to_owned());
        words
    }

    /// The program that is run: npm, what npm installed, or the Yarn that the project brings.
    fn program(&self, plan: &ManagerInstall<'_>) -> Vec<String> {
        match (self, plan.yarn) {
            (Self::Npm, _) => owned(&["npm"]),
            (_, Some(yarn)) => owned(&["node", yarn]),
            _ => vec![format!(
                "{}/manager/node_modules/.bin/{}",
                plan.work,
                self.name()
            )],
        }
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

/// The newest Yarn that writes lock files of this version; nothing for Yarn 1. A newer one would
/// change the file, and refuses since it may not.
fn berry_of(lock: &str) -> Option<&'static str> {
    let at = lock.find("__metadata:")?;
    Some(match value(&lock[at..], "version:") {
        "4" | "5" => "2",
        "6" | "7" => "3",
        "8" => "4.13",
        "9" => "4.14",
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
    fn the_package_manager_version_is_the_declared_one_or_that_of_the_lock_file() {
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
        for (lock, yarn) in [("6", "3"), ("8", "4.13"), ("9", "4.14"), ("10", "4")] {
            let berry = of("yarn", &format!("__metadata:\n  version: {lock}\n"), None);
            assert_eq!(berry, Some(Manager::Berry(yarn.to_owned())));
        }
    }

    #[test]
    fn a_package_manager_declaration_without_a_version_is_ignored() {
        let lock = "lockfileVersion: '9.0'\n";
        let odd = of("pnpm", lock, Some("pnpm@file:../evil"));
        assert_eq!(odd, Some(Manager::Pnpm("10".to_owned())));
    }

    const PLAN: ManagerInstall<'static> = ManagerInstall {
        work: "/w",
        locked: true,
        target: None,
        member: None,
        scripts: false,
        yarn: None,
    };

    #[test]
    fn scripts_of_a_package_run_with_its_tools_for_development_which_are_removed_then() {
        let plan = ManagerInstall {
            scripts: true,
            ..PLAN
        };
        let steps = Manager::Npm.steps(&plan);
        assert_eq!(steps[0][..3], ["npm", "ci", "--include=dev"]);
        assert_eq!(steps[1][..2], ["node", "-e"]);
        assert_eq!(steps[2], ["node", "-e", PRUNE]);
        let last = |manager: Manager| manager.steps(&plan).pop().unwrap();
        assert!(last(Manager::Pnpm("10".to_owned())).contains(&"--prod".to_owned()));
        let yarn = last(Manager::Berry("4".to_owned()));
        assert_eq!(yarn[1..], ["workspaces", "focus", "--production"]);
        // Yarn 1 would undo what the scripts changed.
        assert_eq!(last(Manager::Classic("1".to_owned()))[0], "node");
    }

    #[test]
    fn the_yarn_release_of_a_project_runs_in_place_of_one_from_a_registry() {
        let steps = Manager::Berry("4".to_owned()).steps(&ManagerInstall {
            yarn: Some(".yarn/releases/yarn-4.5.0.cjs"),
            ..PLAN
        });
        for step in &steps {
            assert_eq!(step[..2], ["node", ".yarn/releases/yarn-4.5.0.cjs"]);
        }
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn npm_installs_for_the_platform_of_the_image() {
        let steps = Manager::Npm.steps(&ManagerInstall {
            target: Some("arm64"),
            ..PLAN
        });
        assert_eq!(steps[0][..3], ["npm", "ci", "--omit=dev"]);
        assert!(steps[0].contains(&"--cpu=arm64".to_owned()));
        let steps = Manager::Npm.steps(&ManagerInstall {
            target: Some("amd64"),
            ..PLAN
        });
        assert!(steps[0].contains(&"--cpu=x64".to_owned()));
    }
}
