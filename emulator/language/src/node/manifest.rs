//! The relevant parts of a package.json: names, entries, and whether there is anything to install.

use serde_json::{Map, Value};

use crate::{ManifestFacts, ManifestFault};

/// Fields of package.json that decide what is installed.
pub(super) const DEPENDENCY_FIELDS: [&str; 11] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "bundleDependencies",
    "overrides",
    "resolutions",
    "packageManager",
    "pnpm",
    "dependenciesMeta",
    "workspaces",
];
/// Fields besides those of dependencies that package managers read of a member of a workspace.
const MEMBER_FIELDS: [&str; 7] = [
    "name",
    "version",
    "private",
    "bin",
    "engines",
    "peerDependenciesMeta",
    "type",
];

/// Reads a package.json.
pub(super) fn read(text: &str) -> Result<ManifestFacts, ManifestFault> {
    let json: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        ManifestFault {
            line: error.line(),
            column: error.column(),
            message: message.to_owned(),
        }
    })?;
    Ok(ManifestFacts {
        name: json.get("name").and_then(Value::as_str).map(str::to_owned),
        dependencies: asks(&json),
        entry: main_of(&json),
    })
}

/// Returns the fields that decide what is installed. `None` if nothing is.
pub(super) fn dependency_parts(manifest: &[u8]) -> Option<Vec<(&'static str, String)>> {
    // The project reports a manifest that does not parse; here it asks for nothing.
    let manifest = fnlocal_files::without_mark(manifest);
    let manifest: Map<String, Value> = serde_json::from_slice(manifest).unwrap_or_default();
    let parts = DEPENDENCY_FIELDS
        .into_iter()
        .filter_map(|field| Some((field, manifest.get(field)?.to_string())));
    asks(&manifest).then(|| parts.collect())
}

/// Returns a manifest as a package manager is given it.
pub(super) fn mirrored(mut manifest: Map<String, Value>, only_dependencies: bool) -> Vec<u8> {
    if only_dependencies {
        manifest.retain(|field, _| {
            MEMBER_FIELDS.contains(&field.as_str()) || DEPENDENCY_FIELDS.contains(&field.as_str())
        });
    }
    manifest.remove("scripts");
    Value::Object(Map::from_iter(manifest))
        .to_string()
        .into_bytes()
}

/// Returns whether there is anything to install for running.
fn asks(json: &Map<String, Value>) -> bool {
    ["dependencies", "optionalDependencies"]
        .iter()
        .any(|field| matches!(json.get(*field), Some(Value::Object(map)) if !map.is_empty()))
}

/// The package's entry as Node finds it: `exports` before `main`.
fn main_of(json: &Map<String, Value>) -> Option<String> {
    let exports = json.get("exports").and_then(|exports| match exports {
        Value::Object(map) => target(map.get(".").unwrap_or(exports)),
        other => target(other),
    });
    exports.or_else(|| json.get("main").and_then(Value::as_str).map(str::to_owned))
}

/// The file of an `exports` target under the conditions Node sets.
fn target(value: &Value) -> Option<String> {
    match value {
        Value::String(path) => Some(path.clone()),
        Value::Object(map) => ["node", "import", "module-sync", "require", "default"]
            .iter()
            .find_map(|key| target(map.get(*key)?)),
        Value::Array(targets) => targets.iter().find_map(target),
        _ => None,
    }
}
