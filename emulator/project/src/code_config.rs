//! A function's `config` in code, from the wrapper's description.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::config::FunctionConfig;
use super::config_file::explain;
use super::diagnostics::{KeyError, suggest};
use super::values::MemorySize;
use super::{checks, schema};

/// A function's `config` in code, as read.
#[derive(Debug, Default)]
pub(super) struct CodeConfig {
    pub config: FunctionConfig,
    /// Keys that do not exist.
    pub unknown: Vec<String>,
    /// Values that cannot be, with the keys that lead to them.
    pub bad: Vec<KeyError>,
    /// Two spellings of one key.
    pub twice: Vec<[String; 2]>,
}

/// The maximum number of variables that a function's `config` in code names.
const MAX_VARIABLES: usize = 100;

/// Reads a function's `config` from the wrapper's description. A key may be in camel case. `node` is
/// the memory of a node, if the project says it.
pub(super) fn read(value: &Value, node: Option<MemorySize>) -> CodeConfig {
    let mut read = CodeConfig::default();
    let map = match value {
        Value::Null => return read,
        Value::Object(map) => map,
        other => {
            let what = format!("must be an object, not {other}");
            read.bad.push(KeyError::about([""; 0], what));
            return read;
        }
    };
    let mut good = Map::new();
    let mut spelt: BTreeMap<String, &String> = BTreeMap::new();
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let name = snake(key);
        if !schema::function_keys().any(|known| known == name) {
            read.unknown.push(key.clone());
            continue;
        }
        if let Some(first) = spelt.insert(name.clone(), key) {
            read.twice.push([first.clone(), key.clone()]);
            continue;
        }
        match check_one(Map::from_iter([(name.clone(), value.clone())]), node) {
            Ok(()) => drop(good.insert(name, value.clone())),
            Err(mut error) => {
                // As the author spelt it.
                if let Some(first) = error.keys.first_mut() {
                    first.clone_from(key);
                }
                read.bad.push(error);
            }
        }
    }
    // Each key was read alone above, and they do not depend on each other.
    read.config = serde_json::from_value(Value::Object(good)).unwrap_or_default();
    read
}

/// Returns the key that an unknown one may have meant, as a hint.
pub(super) fn nearest_key(key: &str) -> String {
    let known: Vec<String> = schema::function_keys().map(camel).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    suggest(key, &known)
}

/// Checks a table with one key.
fn check_one(table: Map<String, Value>, node: Option<MemorySize>) -> Result<(), KeyError> {
    let config: FunctionConfig =
        serde_path_to_error::deserialize(Value::Object(table)).map_err(|error| {
            let keys: Vec<String> = error.path().iter().map(ToString::to_string).collect();
            let (what, hint) = explain(&error.inner().to_string(), "");
            KeyError::sentence(keys, what).with_hint(hint)
        })?;
    schema::check_function(&config)?;
    checks::check(&config, node)?;
    let variables = config.env.as_ref().map_or(0, Vec::len);
    if variables > MAX_VARIABLES {
        let what = format!("names {variables} variables; the maximum is {MAX_VARIABLES}");
        return Err(KeyError::about(["env"], what));
    }
    Ok(())
}

fn snake(key: &str) -> String {
    let mut out = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A key as code spells it.
#[must_use]
pub fn camel(key: &str) -> String {
    let mut words = key.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}
