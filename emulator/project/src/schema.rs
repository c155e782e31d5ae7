//! The schema of `fnlocal.toml`, and the check of its bounds.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde::Serialize;
use serde_json::{Map, Value};

use super::config::{Config, FunctionConfig};
use super::diagnostics::KeyError;
use super::values::spell;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with_transform(without_null);
    let generator = settings.into_generator();
    generator.into_root_schema_for::<Config>().to_value()
});

/// Returns the JSON schema of `fnlocal.toml`. Beyond the standard's keywords it has `x-type` at
/// values that are a number with a unit, and `x-unit` at bare numbers.
#[must_use]
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// Returns a table of the schema with nothing but the defaults that it describes.
#[must_use]
pub fn described_defaults(table: &str) -> Value {
    let keys = SCHEMA["$defs"][table]["properties"].as_object();
    let said = keys.into_iter().flatten().filter_map(|(key, schema)| {
        let default = schema.get("default")?;
        Some((key.clone(), default.clone()))
    });
    said.collect()
}

/// Removes from a schema that a key may be null, which TOML cannot say, and the defaults that only
/// say that a key or a table is absent.
fn without_null(schema: &mut Schema) {
    let is_null = |one: &Value| one == "null" || one["type"] == "null";
    let absent = |value: &Value| value.is_null() || value.is_object() || value.is_array();
    if schema.get("default").is_some_and(absent) {
        schema.remove("default");
    }
    for key in ["type", "anyOf"] {
        let Some(Value::Array(forms)) = schema.get_mut(key) else {
            continue;
        };
        forms.retain(|one| !is_null(one));
        if let [only] = forms.as_mut_slice() {
            let only = only.take();
            schema.remove(key);
            match only {
                Value::Object(form) => schema.ensure_object().extend(form),
                kind => drop(schema.insert(key.to_owned(), kind)),
            }
        }
    }
    transform_subschemas(&mut without_null, schema);
}

/// Checks the bounds of everything that the file says.
///
/// # Errors
/// The first value outside of its bounds.
pub(super) fn check_file(config: &Config) -> Result<(), KeyError> {
    check(&SCHEMA, config)
}

/// Checks the bounds of a function's table.
///
/// # Errors
/// The first value outside of its bounds.
pub(super) fn check_function(config: &FunctionConfig) -> Result<(), KeyError> {
    check(function(), config)
}

/// The keys of a function's table.
pub(super) fn function_keys() -> impl Iterator<Item = &'static str> {
    let keys = function()["properties"].as_object();
    keys.into_iter().flat_map(Map::keys).map(String::as_str)
}

fn function() -> &'static Value {
    &SCHEMA["$defs"]["FunctionConfig"]
}

fn check(schema: &Value, config: &impl Serialize) -> Result<(), KeyError> {
    let value = serde_json::to_value(config).unwrap_or_default();
    check_value(schema, &value, &mut Vec::new())
}

/// Walks a value along its schema; `keys` leads to it.
fn check_value(schema: &Value, value: &Value, keys: &mut Vec<String>) -> Result<(), KeyError> {
    let mut inner = |schema: &Value, value: &Value, key: String| {
        keys.push(key);
        let checked = check_value(schema, value, keys);
        keys.pop();
        checked
    };
    let target = resolve(schema);
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            let schema = property(target, key).unwrap_or(&target["additionalProperties"]);
            inner(schema, value, key.clone())
        }),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| inner(&target["items"], value, index.to_string())),
        Value::Number(number) => match number.as_f64().and_then(|it| out_of_bounds(schema, it)) {
            Some(what) => Err(KeyError::about(keys.clone(), what)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Follows a reference.
fn resolve(schema: &Value) -> &Value {
    let path = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| SCHEMA.pointer(path)).unwrap_or(schema)
}

/// The schema of a key of a table, which may have several forms.
fn property<'a>(table: &'a Value, key: &str) -> Option<&'a Value> {
    let forms = table["oneOf"].as_array().into_iter().flatten();
    let mut forms = forms.chain([table]);
    forms.find_map(|form| form["properties"].get(key))
}

/// Returns the error of a number outside of its bounds.
fn out_of_bounds(schema: &Value, number: f64) -> Option<String> {
    let [min, max] = ["minimum", "maximum"].map(|key| schema[key].as_f64());
    let below = min.is_some_and(|min| number < min);
    let above = max.is_some_and(|max| number > max);
    (below || above).then(|| format!("must be {}", bounds(schema).unwrap_or_default()))
}

/// The bounds of a key in words; `None` if it has none but that of its type.
#[must_use]
pub fn bounds(schema: &Value) -> Option<String> {
    let spelt = |number: f64| spell(number, schema["x-type"].as_str().unwrap_or_default());
    let min = schema["minimum"].as_f64().filter(|min| *min > 0.0);
    let max = schema["maximum"].as_f64();
    let text = match (min.or(max.map(|_| 0.0)), max) {
        (Some(min), Some(max)) => format!("between {} and {}", spelt(min), spelt(max)),
        (Some(min), None) => format!("at least {}", spelt(min)),
        (None, _) => return None,
    };
    let unit = schema["x-unit"].as_str().map(|unit| format!(" {unit}"));
    Some(text + &unit.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks;
    use crate::settings::merge;

    /// A function's table with one key; `table` leads to the inner table that the key is in.
    fn one(table: &str, key: &str, value: &Value) -> Option<FunctionConfig> {
        let inner = json!({ key: value });
        let config = if table.is_empty() {
            inner
        } else {
            json!({ table: inner })
        };
        serde_json::from_value(config).ok()
    }

    /// Calls `look` with each key of a function and of its `async`, the table it is in, and its schema.
    fn each(look: impl Fn(&str, &str, &Value)) {
        for (table, name) in [("", "FunctionConfig"), ("async", "AsyncConfig")] {
            let keys = SCHEMA["$defs"][name]["properties"].as_object();
            for (key, schema) in keys.into_iter().flatten() {
                look(table, key, schema);
            }
        }
    }

    #[test]
    fn the_documented_function_defaults_are_those_in_use() {
        let mut all = described_defaults("FunctionConfig");
        all["async"] = described_defaults("AsyncConfig");
        let config: FunctionConfig = serde_json::from_value(all).unwrap();
        let settings = |layers: &[&FunctionConfig]| {
            merge(layers, fnlocal_core::Profile::Fnlocal, None).unwrap()
        };
        assert_eq!(settings(&[&config]), settings(&[]));
    }

    #[test]
    fn the_schema_bounds_match_those_the_core_accepts() {
        each(|table, key, schema| {
            let kind = schema["x-type"].as_str().unwrap_or_default();
            let accepted = |number: f64| {
                let value = match kind {
                    "size" => spell(number, kind).into(),
                    // A small number without a unit is refused whatever the bounds.
                    "time span" => format!("{number}ms").into(),
                    _ => json!(number as i64),
                };
                one(table, key, &value).is_some_and(|config| checks::check(&config, None).is_ok())
            };
            if let Some(min) = schema["minimum"].as_f64() {
                assert!(
                    accepted(min) && !accepted(min - 1.0),
                    "the minimum of {key}"
                );
            }
            if let Some(max) = schema["maximum"].as_f64() {
                assert!(
                    accepted(max) && !accepted(max + 1.0),
                    "the maximum of {key}"
                );
            }
        });
    }
}
