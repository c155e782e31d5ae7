//! An imported project as files: `fnlocal.toml`, `.env`, and one entry for each handler.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use super::imported::{HandlerPlace, ImportedFunction, ImportedProject};

/// A file to write, relative to the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
    /// One that is there already stays as it is.
    pub optional: bool,
}

/// Returns the files that make the project one of fnlocal.
#[must_use]
pub fn files(project: &ImportedProject) -> Vec<WrittenFile> {
    let mut written = Vec::new();
    let (mut packages, mut entries) = (BTreeSet::new(), BTreeSet::new());
    for (name, function) in &project.functions {
        let Some(place) = &function.code else {
            continue;
        };
        packages.insert(place.package.clone());
        if is_found(place, name) {
            entries.insert(below(&place.package, &place.file));
        } else {
            let module = entry(place, name);
            entries.insert(module.path.clone());
            written.push(module);
        }
    }
    packages.remove("");
    packages.extend(project.packages.iter().cloned());
    written.push(WrittenFile {
        path: "fnlocal.toml".to_owned(),
        text: configuration(project, &packages, &entries),
        optional: false,
    });
    if !project.variables.is_empty() {
        let lines = project
            .variables
            .iter()
            .map(|(name, value)| format!("{name}={}\n", quoted(value)));
        written.push(WrittenFile {
            path: ".env".to_owned(),
            text: lines.collect(),
            optional: true,
        });
    }
    written
}

/// Returns whether fnlocal finds a handler under its name without an entry for it.
fn is_found(place: &HandlerPlace, name: &str) -> bool {
    let folder = Path::new(&place.file)
        .parent()
        .and_then(Path::to_str)
        .unwrap_or_default();
    let stem = Path::new(&place.file)
        .file_stem()
        .and_then(|stem| stem.to_str());
    let own = ["functions", "api", "netlify/functions"].contains(&folder) && stem == Some(name);
    own && ["handler", "default", "*"].contains(&place.export.as_str())
}

fn below(package: &str, file: &str) -> String {
    if package.is_empty() {
        file.to_owned()
    } else {
        format!("{package}/{file}")
    }
}

/// A module that hands a handler on under the function's name.
fn entry(place: &HandlerPlace, name: &str) -> WrittenFile {
    let path = below(&place.package, &format!("functions/{name}.mjs"));
    let source = format!("../{}", place.file);
    let text = match place.export.as_str() {
        "*" => format!(
            "export * from \"{source}\";\nimport * as all from \"{source}\";\nexport default all.default;\n"
        ),
        "default" => format!("export {{ default }} from \"{source}\";\n"),
        // CommonJS may only have it behind its default export.
        export => format!(
            "import * as all from \"{source}\";\n\nexport const handler = all[\"{export}\"] ?? all.default?.[\"{export}\"];\n"
        ),
    };
    WrittenFile {
        path,
        text,
        optional: false,
    }
}

fn configuration(
    project: &ImportedProject,
    packages: &BTreeSet<String>,
    entries: &BTreeSet<String>,
) -> String {
    let mut top = Table::new();
    if let Some(name) = project.name.as_deref().filter(|name| is_project(name)) {
        top.insert("name".to_owned(), name.into());
    }
    for (key, all) in [("packages", packages), ("entries", entries)] {
        let all: Vec<Value> = all.iter().map(|one| one.as_str().into()).collect();
        if !all.is_empty() {
            top.insert(key.to_owned(), Value::Array(all));
        }
    }
    if let Some(default) = &project.default {
        top.insert("default".to_owned(), default.as_str().into());
    }
    if project.rest_events {
        let rest = Table::from_iter([("lambda_event".to_owned(), "1.0".into())]);
        top.insert("defaults".to_owned(), Value::Table(rest));
    }
    let routes = project.routes.iter().map(|route| {
        let mut table = Table::from_iter([("path".to_owned(), route.path.as_str().into())]);
        if !route.methods.is_empty() {
            let methods: Vec<Value> = route
                .methods
                .iter()
                .map(|one| one.as_str().into())
                .collect();
            table.insert("methods".to_owned(), Value::Array(methods));
        }
        table.insert("function".to_owned(), route.function.as_str().into());
        Value::Table(table)
    });
    let routes: Vec<Value> = routes.collect();
    if !routes.is_empty() {
        top.insert("routes".to_owned(), Value::Array(routes));
    }
    let functions = project
        .functions
        .iter()
        .map(|(name, one)| (name.clone(), settings(one)));
    let functions = functions.filter(|(_, table)| !table.is_empty());
    let functions: Table = functions
        .map(|(name, table)| (name, Value::Table(table)))
        .collect();
    if !functions.is_empty() {
        top.insert("functions".to_owned(), Value::Table(functions));
    }
    toml::to_string(&top).unwrap_or_default()
}

fn settings(function: &ImportedFunction) -> Table {
    let mut table = Table::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            table.insert(key.to_owned(), value);
        }
    };
    let count = |number: u64| i64::try_from(number).ok().map(Value::Integer);
    set("signature", function.signature.map(Value::from));
    set("lambda_event", function.rest_events.then(|| "1.0".into()));
    // fnlocal's bounds; other platforms go below and beyond.
    let memory = function.memory_mb.map(|mb| mb.clamp(64, 65_536));
    set("memory", memory.map(|mb| format!("{mb}MB").into()));
    let timeout = function.timeout_s.map(|seconds| seconds.clamp(1, 3600));
    set(
        "timeout",
        timeout.map(|seconds| format!("{seconds}s").into()),
    );
    set(
        "max_instances",
        function
            .max_instances
            .filter(|count| *count > 0)
            .and_then(count),
    );
    set("min_instances", function.min_instances.and_then(count));
    set("schedule", function.schedule.as_deref().map(Value::from));
    let env: Vec<Value> = function
        .env
        .iter()
        .map(|name| name.as_str().into())
        .collect();
    set("env", (!env.is_empty()).then_some(Value::Array(env)));
    table
}

fn is_project(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(known)
        && name.len() <= 63
}

/// A value of a `.env` file, in quotes that keep it as it is.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@,+=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else if value.contains(['\'', '\n']) {
        format!(
            "\"{}\"",
            value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
                .replace('$', "\\$")
        )
    } else {
        format!("'{value}'")
    }
}
