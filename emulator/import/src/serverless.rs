//! The Serverless Framework: `serverless.yml`.

use std::path::Path;

use serde_json::Value;

use super::document::{entries, items, number, plain};
use super::entry;
use super::imported::{ImportedFunction, ImportedProject};

/// Reads a service.
pub fn read(service: &Value, root: &Path) -> ImportedProject {
    let mut project = ImportedProject {
        name: service["service"].as_str().map(str::to_owned),
        ..ImportedProject::default()
    };
    let provider = &service["provider"];
    let runtime = provider["runtime"].as_str().unwrap_or("nodejs");
    for list in items(&service["functions"]) {
        for (id, own) in entries(list) {
            let runtime = own["runtime"].as_str().unwrap_or(runtime);
            if runtime.starts_with("nodejs") || runtime.contains("${") {
                function(&mut project, root, id, own, provider);
            } else {
                project.leave(format!("function {id}: its runtime is {runtime}"));
            }
        }
    }
    for key in ["resources", "layers", "package"] {
        if !service[key].is_null() {
            project.leave(format!("`{key}`"));
        }
    }
    for plugin in items(&service["plugins"]) {
        let name = plugin.as_str().unwrap_or_default();
        if !["serverless-offline", "serverless-esbuild"].contains(&name) {
            project.leave(format!("plugin {name}"));
        }
    }
    project
}

fn function(project: &mut ImportedProject, root: &Path, id: &str, own: &Value, provider: &Value) {
    let handler = own["handler"].as_str().unwrap_or_default();
    let Some(place) = entry::handler(root, "", handler) else {
        return project.leave(format!(
            "function {id}: there is no file of its handler {handler}"
        ));
    };
    let name = entry::function_name(id);
    let of = |key: &str| {
        if own[key].is_null() {
            &provider[key]
        } else {
            &own[key]
        }
    };
    let mut function = ImportedFunction {
        code: Some(place),
        signature: Some("lambda"),
        memory_mb: number(of("memorySize")),
        timeout_s: number(of("timeout")),
        max_instances: number(&own["reservedConcurrency"]),
        min_instances: number(&own["provisionedConcurrency"]),
        ..ImportedFunction::default()
    };
    for variables in [provider, own] {
        project.environment(&variables["environment"], &mut function.env, &name);
    }
    let format = provider["httpApi"]["payload"].as_str();
    for event in items(&own["events"]) {
        for (kind, described) in entries(event) {
            match kind.as_str() {
                "http" | "httpApi" => {
                    function.rest_events |= kind == "http" || format == Some("1.0");
                    http(project, &name, described);
                }
                "schedule" => {
                    for rate in items(described) {
                        let rate = if rate.is_object() {
                            &rate["rate"]
                        } else {
                            rate
                        };
                        for rate in items(rate) {
                            let text = plain(rate).unwrap_or_default();
                            project.schedule(&name, &mut function, &text);
                        }
                    }
                }
                kind => project.leave(format!(
                    "event {kind} of {name}: write its source to [[functions.{name}.on]]"
                )),
            }
        }
    }
    project.functions.insert(name, function);
}

/// `GET /users/{id}`, `*`, or an object with `method` and `path`.
fn http(project: &mut ImportedProject, name: &str, described: &Value) {
    let (method, path) = match described.as_str() {
        Some("*") => ("ANY", "*"),
        Some(text) => text.trim().split_once(' ').unwrap_or(("ANY", text)),
        None => (
            described["method"].as_str().unwrap_or("ANY"),
            described["path"].as_str().unwrap_or("*"),
        ),
    };
    match path.trim() {
        "*" | "$default" => project.default = Some(name.to_owned()),
        path => project.route(method, &format!("/{}", path.trim_start_matches('/')), name),
    }
}
