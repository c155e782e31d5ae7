//! Vercel: `vercel.json`.

use std::path::Path;

use serde_json::Value;

use super::document::{entries, items, number, plain};
use super::entry;
use super::imported::{ImportedFunction, ImportedProject};

/// Reads a project.
pub fn read(file: &Value, root: &Path) -> ImportedProject {
    let mut project = ImportedProject {
        name: file["name"].as_str().map(str::to_owned),
        ..ImportedProject::default()
    };
    for name in entry::handlers(&root.join("api")) {
        let path = if name == "index" {
            "/api".to_owned()
        } else {
            format!("/api/{name}")
        };
        if name == "index" {
            project.leave("api/index: rename it; a file of that name is called like its package");
            continue;
        }
        project.route("ANY", &path, &name);
        project.functions.insert(name, ImportedFunction::default());
    }
    for (glob, settings) in entries(&file["functions"]) {
        let named: Vec<String> = project
            .functions
            .keys()
            .filter(|name| fits(glob, name))
            .cloned()
            .collect();
        if named.is_empty() {
            project.leave(format!("`functions.{glob}`: no file in api fits it"));
        }
        for name in named {
            if let Some(function) = project.functions.get_mut(&name) {
                function.memory_mb = number(&settings["memory"]);
                function.timeout_s = number(&settings["maxDuration"]);
            }
        }
    }
    for rewrite in items(&file["rewrites"])
        .iter()
        .chain(items(&file["routes"]))
    {
        let source = ["source", "src"]
            .iter()
            .find_map(|key| rewrite[*key].as_str())
            .unwrap_or_default();
        let to = ["destination", "dest"]
            .iter()
            .find_map(|key| rewrite[*key].as_str())
            .unwrap_or_default();
        let name = to.trim_start_matches('/').strip_prefix("api/").map(stem_of);
        match (name, path_of(source)) {
            (Some(name), Some(path)) if path == "/{rest+}" => project.default = Some(name),
            (Some(name), Some(path)) => project.route("ANY", &path, &name),
            _ => project.leave(format!("rewrite {source} to {to}")),
        }
    }
    crons_and_variables(&mut project, file);
    for key in ["headers", "redirects", "regions", "builds", "images"] {
        if !file[key].is_null() {
            project.leave(format!("`{key}`"));
        }
    }
    project
}

fn crons_and_variables(project: &mut ImportedProject, file: &Value) {
    for cron in items(&file["crons"]) {
        let path = cron["path"].as_str().unwrap_or_default();
        let name = stem_of(path.trim_start_matches("/api/"));
        let mut function = project.functions.remove(&name).unwrap_or_default();
        project.schedule(
            &name,
            &mut function,
            cron["schedule"].as_str().unwrap_or_default(),
        );
        project.functions.insert(name, function);
    }
    for (name, value) in entries(&file["env"]) {
        match plain(value).filter(|value| !value.starts_with('@')) {
            Some(value) => drop(project.variables.insert(name.clone(), value)),
            None => project.leave(format!(
                "variable {name}: its value is a secret of Vercel's; write it to .env"
            )),
        }
    }
}

/// The name of a function's file in `users`, `users.js` or `users?id=7`.
fn stem_of(path: &str) -> String {
    path.split(['?', '/', '.'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Whether `api/*.js`, `api/**` or `api/users.js` means a function.
fn fits(glob: &str, name: &str) -> bool {
    let Some(rest) = glob.strip_prefix("api/") else {
        return false;
    };
    rest.starts_with('*') || stem_of(rest) == name
}

/// A path with `:id` and a last `:rest*` in fnlocal's form. `None` for other patterns.
pub fn path_of(source: &str) -> Option<String> {
    if matches!(source, "/(.*)" | "/.*") {
        return Some("/{rest+}".to_owned());
    }
    let source = source
        .strip_suffix("/(.*)")
        .map_or(source.to_owned(), |head| format!("{head}/:rest*"));
    let mut parts = Vec::new();
    for part in source.strip_prefix('/')?.split('/') {
        let part = match part.strip_prefix(':') {
            Some(name) if name.ends_with(['*', '+']) => {
                format!("{{{}+}}", name.trim_end_matches(['*', '+']))
            }
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        };
        let inner = part
            .trim_start_matches('{')
            .trim_end_matches('}')
            .trim_end_matches('+');
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.~%".contains(c);
        if !inner.chars().all(plain) {
            return None;
        }
        parts.push(part);
    }
    Some(format!("/{}", parts.join("/")))
}
