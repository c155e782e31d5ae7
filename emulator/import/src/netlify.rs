//! Netlify: `netlify.toml`.

use std::path::Path;

use serde_json::Value;

use super::document::{entries, items, plain};
use super::entry;
use super::imported::{ImportedFunction, ImportedProject};

const OWN: &str = "/.netlify/functions/";

/// Reads a site.
pub fn read(site: &Value, root: &Path) -> ImportedProject {
    let mut project = ImportedProject {
        // Its older functions get events like a REST API's.
        rest_events: true,
        ..ImportedProject::default()
    };
    let build = &site["build"];
    let folder = [&site["functions"]["directory"], &build["functions"]];
    let folder = folder
        .iter()
        .find_map(|value| value.as_str())
        .unwrap_or("netlify/functions");
    let Some(folder) = entry::plain(folder) else {
        project.leave(format!(
            "functions in {folder}: the folder is not in the project"
        ));
        return project;
    };
    let usual = ["functions", "api", "netlify/functions"].contains(&folder.as_str());
    for name in entry::handlers(&root.join(&folder)) {
        let file = entry::file_of(&root.join(&folder), &name);
        let place = file.and_then(|file| entry::place(root, &folder, &file, "*"));
        let function = ImportedFunction {
            code: place.filter(|_| !usual),
            ..ImportedFunction::default()
        };
        project.route("ANY", &format!("{OWN}{name}"), &name);
        project.functions.insert(name, function);
    }
    for (name, settings) in entries(&site["functions"]) {
        let Some(schedule) = settings["schedule"].as_str() else {
            continue;
        };
        let mut function = project.functions.remove(name).unwrap_or_default();
        project.schedule(name, &mut function, schedule);
        project.functions.insert(name.clone(), function);
    }
    for (name, value) in entries(&build["environment"]) {
        match plain(value) {
            Some(value) => drop(project.variables.insert(name.clone(), value)),
            None => project.leave(format!("variable {name}")),
        }
    }
    for redirect in items(&site["redirects"]) {
        self::redirect(&mut project, redirect);
    }
    for key in ["headers", "edge_functions", "plugins", "context"] {
        if !site[key].is_null() {
            project.leave(format!("`{key}`"));
        }
    }
    project
}

fn redirect(project: &mut ImportedProject, redirect: &Value) {
    let (from, to) = (
        redirect["from"].as_str().unwrap_or_default(),
        redirect["to"].as_str().unwrap_or_default(),
    );
    let name = to
        .strip_prefix(OWN)
        .map(|rest| rest.split(['/', '?', ':']).next().unwrap_or_default());
    let (Some(name), Some(path)) = (name, super::vercel::path_of(&from.replace('*', ":splat*")))
    else {
        return project.leave(format!("redirect {from} to {to}"));
    };
    if name.is_empty() || to.contains(":splat") && name.contains("splat") {
        return project.leave(format!(
            "redirect {from} to {to}: its function is a part of the path"
        ));
    }
    project.route("ANY", &path, name);
}
