//! Files that are written from the schema of `fnlocal.toml`: the reference of its keys, the types of
//! `config` in code, and the keys that the wrapper knows. `make generate` writes them.

mod reference;
mod tables;
mod typescript;

use std::path::Path;

use fnlocal_gateway::GatewayOptions;
use fnlocal_logs::JournalLimits;
use fnlocal_project::{
    BuildConfig, Config, DevConfig, LimitsConfig, ProjectLogs, TimeSpan, described_defaults, schema,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use tables::Table;

/// Set by `make generate`.
const WRITE: &str = "FNLOCAL_WRITE_GENERATED";

/// Compares a file of the repository with what it should hold, or writes it.
fn check(file: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os(WRITE).is_some() {
        return std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{file} is not what emulator/project/src/config.rs describes: run `make generate`"
    );
}

#[test]
fn the_reference_has_every_key() {
    check("docs/configuration.md", &reference::write());
}

#[test]
fn the_typescript_types_have_every_config_key() {
    check("wrapper-js/types/config.d.ts", &typescript::types());
}

#[test]
fn the_wrapper_knows_every_key() {
    check("wrapper-js/src/config-keys.js", &typescript::keys());
}

#[test]
fn every_key_is_described() {
    for table in tables::all() {
        for (key, schema) in table.keys {
            assert!(
                schema["description"].is_string(),
                "{key} of {:?}",
                table.places
            );
        }
    }
}

#[test]
fn every_documented_example_value_parses() {
    let tables = tables::all();
    for table in &tables {
        for (key, schema) in &table.keys {
            let Some(value) = reference::example(schema) else {
                continue;
            };
            let one = Map::from_iter([(key.clone(), value)]);
            let config = in_place(&tables, &table.places[0], one);
            if let Err(error) = serde_json::from_value::<Config>(config) {
                panic!("{key} of {:?}: {error}", table.places);
            }
        }
    }
}

/// A configuration that holds some keys at a place, and beside them what each table on the way needs.
fn in_place(tables: &[Table], place: &[String], mut keys: Map<String, Value>) -> Value {
    let table = tables
        .iter()
        .find(|table| table.places.iter().any(|it| it == place));
    for name in table
        .iter()
        .flat_map(|table| &table.required)
        .filter_map(Value::as_str)
    {
        let example = table.and_then(|table| reference::example(&table.keys[name]));
        keys.entry(name).or_insert(example.unwrap_or_default());
    }
    let Some((last, before)) = place.split_last() else {
        return Value::Object(keys);
    };
    let inner = match last.strip_suffix("[]") {
        Some(name) => json!({ name: [keys] }),
        None => json!({ last: keys }),
    };
    in_place(
        tables,
        before,
        inner.as_object().cloned().unwrap_or_default(),
    )
}

/// A table with nothing but its described defaults.
fn described<T: DeserializeOwned>(table: &str) -> T {
    serde_json::from_value(described_defaults(table)).unwrap()
}

#[test]
fn the_documented_project_defaults_are_those_in_use() {
    let usual = GatewayOptions::default();
    let limits: LimitsConfig = described("LimitsConfig");
    let of = |span: Option<TimeSpan>| span.unwrap().0;
    assert_eq!(of(limits.idle_timeout), usual.idle_timeout);
    assert_eq!(of(limits.head_timeout), usual.head_timeout);
    assert_eq!(of(limits.body_timeout), usual.body_timeout);
    let header_size = limits.max_header_size.map(|size| size.0);
    assert_eq!(header_size, Some(usual.max_header_size as u64));
    let queue_size = limits.async_queue_size.map(|size| size.0);
    assert_eq!(
        queue_size,
        Some(fnlocal_triggers::queue::DEFAULT_QUEUE_BYTES)
    );
    let logs: ProjectLogs = described("ProjectLogs");
    assert_eq!(JournalLimits::from(&logs), JournalLimits::default());
    let build: BuildConfig = described("BuildConfig");
    assert_eq!(build.install_time(), BuildConfig::default().install_time());
    assert_eq!(
        build.base_image.as_deref(),
        Some(fnlocal_language::usual().base_image())
    );
    let dev: DevConfig = described("DevConfig");
    assert_eq!(dev.port, Some(fnlocal_emulator::serve::PORT));
}

#[test]
fn the_schema_does_not_mention_null() {
    assert!(!schema().to_string().contains("null"));
}
