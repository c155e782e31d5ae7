//! Cloudflare Workers: `wrangler.toml` and `wrangler.json`.

use std::path::Path;

use serde_json::Value;

use super::document::{items, number};
use super::entry;
use super::imported::{ImportedFunction, ImportedProject};

/// The bindings of a worker that nothing here stands for.
const BINDINGS: [&str; 16] = [
    "kv_namespaces",
    "durable_objects",
    "r2_buckets",
    "d1_databases",
    "queues",
    "services",
    "ai",
    "vectorize",
    "hyperdrive",
    "analytics_engine_datasets",
    "browser",
    "workflows",
    "send_email",
    "mtls_certificates",
    "assets",
    "site",
];

/// Reads a worker.
pub fn read(worker: &Value, root: &Path) -> ImportedProject {
    let name = worker["name"].as_str().unwrap_or("worker");
    let mut project = ImportedProject {
        name: Some(name.to_owned()),
        ..ImportedProject::default()
    };
    let function_name = entry::function_name(name);
    let usual = ["src/index.js", "index.js"];
    let there = usual
        .into_iter()
        .find(|path| entry::file_of(root, path).is_some());
    let main = worker["main"].as_str().or(there).unwrap_or(usual[0]);
    let place =
        entry::file_of(root, main).and_then(|file| entry::place(root, "", &file, "default"));
    match place {
        Some(place) => {
            let mut function = ImportedFunction {
                code: Some(place),
                signature: None,
                timeout_s: number(&worker["limits"]["cpu_ms"]).map(|ms| ms.div_ceil(1000).max(1)),
                ..ImportedFunction::default()
            };
            project.environment(&worker["vars"], &mut function.env, name);
            for cron in items(&worker["triggers"]["crons"]) {
                project.schedule(
                    &function_name,
                    &mut function,
                    cron.as_str().unwrap_or_default(),
                );
            }
            project.functions.insert(function_name.clone(), function);
            project.default = Some(function_name);
        }
        None => project.leave(format!(
            "the worker: {main} is not there, or it is built first"
        )),
    }
    for key in BINDINGS {
        if !worker[key].is_null() {
            project.leave(format!(
                "`{key}`: nothing here stands for it, so `env` has no such binding"
            ));
        }
    }
    for key in [
        "routes",
        "route",
        "env",
        "build",
        "compatibility_flags",
        "rules",
    ] {
        if !worker[key].is_null() {
            project.leave(format!("`{key}`"));
        }
    }
    project
}
