//! The files that npm, pnpm and Yarn read of a project besides manifests, lock files and settings: patches,
//! hooks, plugins, and the Yarn that a project brings along. And a package's own scripts.

mod named;
mod scripts;

use serde_json::{Map, Value};

use super::NodeJs;
use crate::{InputPlaces, InstallScripts, LanguageInputs, NamedInput};
use named::{patches_of, paths_in, setting};

/// Files that package managers read if they are there.
const FILES: [&str; 3] = [".pnpmfile.cjs", ".pnpmfile.mjs", ".yarnrc"];
/// Folders of which package managers read what settings and manifests name, and more.
const FOLDERS: [&str; 2] = [".yarn/patches", ".yarn/plugins"];
/// Settings whose text names files: certificates, hooks, patches, plugins, releases.
const SETTINGS: [&str; 4] = [".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml"];
/// Where Yarn keeps what it wrote itself, as one file each.
const YARN: &str = ".yarn/";
/// The files that tools read by convention: patches of `patch-package`, the schema of Prisma.
const CONVENTIONS: [(&str, &[&str]); 2] = [
    ("patch-package", &["patches"]),
    ("prisma", &["prisma", "schema.prisma", "prisma.config.ts"]),
];

impl LanguageInputs for NodeJs {
    fn input_places(&self) -> InputPlaces {
        InputPlaces {
            files: &FILES,
            folders: &FOLDERS,
            settings: &SETTINGS,
        }
    }

    fn settings_paths(&self, text: &str) -> Vec<String> {
        paths_in(text).map(str::to_owned).collect()
    }

    fn manifest_paths(&self, manifest: &str) -> Vec<NamedInput> {
        patches_of(&parsed(manifest))
    }

    fn brought_manager(&self, read: &dyn Fn(&str) -> String) -> Option<String> {
        let path = setting(&read(".yarnrc.yml"), "yarnPath:")
            .or_else(|| setting(&read(".yarnrc"), "yarn-path"))?;
        Some(path.trim_start_matches("./").to_owned())
    }

    fn is_whole_input(&self, path: &str) -> bool {
        path.starts_with(YARN)
    }

    fn install_scripts(&self, manifest: &str, alone: bool) -> InstallScripts {
        scripts::of_manifest(&parsed(manifest), alone)
    }

    fn usual_inputs(&self, tool: &str) -> &'static [&'static str] {
        let found = CONVENTIONS.iter().find(|(name, _)| *name == tool);
        found.map_or(&[], |(_, places)| places)
    }
}

/// A package.json. One that does not parse names nothing: the project reports it.
fn parsed(manifest: &str) -> Map<String, Value> {
    serde_json::from_str(manifest).unwrap_or_default()
}

/// A package.json's text fields of a kind, by their names.
fn texts<'a>(manifest: &'a Map<String, Value>, field: &str) -> Vec<(&'a str, &'a str)> {
    let fields = manifest.get(field).and_then(Value::as_object);
    let texts = fields.into_iter().flatten();
    texts
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}
