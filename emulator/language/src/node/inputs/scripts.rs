//! A package's own scripts for an install.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::texts;
use crate::{InstallScripts, script_words};

/// Scripts that a package manager runs of the package it installs for.
const RUN: [&str; 3] = ["preinstall", "install", "postinstall"];
/// Scripts that package managers run in a working copy besides: they make what is published.
const WORKING_COPY: [&str; 4] = ["prepublish", "preprepare", "prepare", "postprepare"];

/// Returns those of a package.json.
pub(super) fn of_manifest(manifest: &Map<String, Value>, alone: bool) -> InstallScripts {
    let all: BTreeMap<&str, &str> = texts(manifest, "scripts").into_iter().collect();
    let named = |names: &[&str]| -> Vec<String> {
        let there = names.iter().filter(|name| all.contains_key(*name));
        there.map(|name| (*name).to_owned()).collect()
    };
    let (mut waiting, mut left_out) = (named(&RUN), named(&WORKING_COPY));
    if !alone {
        left_out.append(&mut waiting);
    }
    let mut run = BTreeMap::new();
    while let Some(name) = waiting.pop() {
        let Some(text) = all.get(name.as_str()) else {
            continue;
        };
        if run.insert(name, (*text).to_owned()).is_none() {
            // `npm run build` and its relatives name the script as a word.
            let called =
                script_words(text).filter(|word| all.contains_key(word) && *word != "install");
            let around =
                called.flat_map(|word| ["", "pre", "post"].map(|when| format!("{when}{word}")));
            waiting.extend(around);
        }
    }
    InstallScripts { run, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(json: &str, alone: bool) -> InstallScripts {
        let scripts = serde_json::from_str::<Value>(json).unwrap();
        let manifest = Map::from_iter([("scripts".to_owned(), scripts)]);
        of_manifest(&manifest, alone)
    }

    #[test]
    fn scripts_for_an_install_run_with_those_that_they_call() {
        let json = r#"{"postinstall": "npm run gen && node x.js", "pregen": "echo", "gen": "prisma generate",
            "test": "node --test", "prepare": "husky"}"#;
        let found = scripts(json, true);
        let run: Vec<&String> = found.run.keys().collect();
        assert_eq!(run, ["gen", "postinstall", "pregen"]);
        assert_eq!(found.left_out, ["prepare"]);
        let among = scripts(json, false);
        assert!(among.run.is_empty());
        assert_eq!(among.left_out, ["prepare", "postinstall"]);
    }

    #[test]
    fn scripts_that_call_each_other_come_to_an_end() {
        let found = scripts(
            r#"{"install": "npm run a", "a": "npm run b", "b": "npm run a"}"#,
            true,
        );
        assert_eq!(found.run.len(), 3);
    }
}
