//! Firebase: `firebase.json`.

use serde_json::Value;

use super::document::items;
use super::entry;
use super::imported::ImportedProject;

/// Reads a project. Its functions' settings are in their code, where fnlocal does not find them.
pub fn read(file: &Value) -> ImportedProject {
    let mut project = ImportedProject::default();
    for codebase in items(&file["functions"]) {
        let source = codebase["source"].as_str().unwrap_or("functions");
        match entry::plain(source) {
            Some(source) => project.packages.push(source),
            None => project.leave(format!(
                "functions of {source}: the folder is not in the project"
            )),
        }
    }
    for hosting in items(&file["hosting"]) {
        for rewrite in items(&hosting["rewrites"]) {
            let function = &rewrite["function"];
            let name = function
                .as_str()
                .or_else(|| function["functionId"].as_str());
            let source = rewrite["source"].as_str().unwrap_or_default();
            match (name, path_of(source)) {
                (Some(name), Some(path)) if path == "/{rest+}" => {
                    project.default = Some(name.to_owned())
                }
                (Some(name), Some(path)) => {
                    if let Some(whole) = path.strip_suffix("/{rest+}") {
                        project.route("ANY", whole, name);
                    }
                    project.route("ANY", &path, name);
                }
                (Some(name), None) => project.leave(format!(
                    "rewrite {source} to {name}: its pattern is more than a path"
                )),
                (None, _) => {}
            }
        }
        project.leave("`hosting`: files of a site are not served");
    }
    for key in [
        "firestore",
        "database",
        "storage",
        "emulators",
        "extensions",
        "remoteconfig",
    ] {
        if !file[key].is_null() {
            project.leave(format!("`{key}`"));
        }
    }
    project.leave("options in code such as onRequest({ memory }) and triggers such as onDocumentCreated: write limits and schedules to [functions.NAME]");
    project
}

/// A glob as a path: a last `**` is all that is left.
fn path_of(source: &str) -> Option<String> {
    let source = source.trim_end_matches('/');
    if source == "**" {
        return Some("/{rest+}".to_owned());
    }
    let (head, rest) = match source.strip_suffix("/**") {
        Some(head) => (head, "/{rest+}"),
        None => (source, ""),
    };
    let plain = head.is_empty()
        || (head.starts_with('/') && !head.contains(['*', '(', '{', '@', '!', '?']));
    plain.then(|| format!("{head}{rest}"))
}
