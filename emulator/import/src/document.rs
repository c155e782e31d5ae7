//! Texts in YAML, JSON with comments, and TOML, as one kind of value.

use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;

/// Reads YAML. A tag, such as CloudFormation's `!Sub`, becomes an object with the tag as its key.
pub fn yaml(text: &str) -> Result<Value, String> {
    let yaml: Yaml = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    Ok(of_yaml(yaml))
}

/// Reads JSON with comments and trailing commas.
pub fn json(text: &str) -> Result<Value, String> {
    // The parser calls itself for each level.
    if depth(text) > MAX_DEPTH {
        return Err(format!("more than {MAX_DEPTH} levels within each other"));
    }
    let value = jsonc_parser::parse_to_serde_value(text, &jsonc_parser::ParseOptions::default());
    let value = value.map_err(|error| error.to_string())?;
    Ok(value.unwrap_or_default())
}

/// The maximum number of levels within each other.
const MAX_DEPTH: usize = 128;

/// The deepest level of brackets and braces; those in texts and comments count too.
fn depth(text: &str) -> usize {
    let (mut now, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => now += 1,
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

/// Reads TOML.
pub fn toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn of_yaml(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => serde_json::to_value(&number).unwrap_or_default(),
        Yaml::String(text) => text.into(),
        Yaml::Sequence(all) => all.into_iter().map(of_yaml).collect(),
        Yaml::Mapping(all) => {
            // `<<` takes over what another mapping has.
            let mut map = Map::new();
            for (key, value) in all {
                let key = match key {
                    Yaml::String(key) => key,
                    other => serde_yaml_ng::to_string(&other)
                        .unwrap_or_default()
                        .trim()
                        .to_owned(),
                };
                match (key.as_str(), of_yaml(value)) {
                    ("<<", Value::Object(base)) => {
                        for (key, value) in base {
                            map.entry(key).or_insert(value);
                        }
                    }
                    (_, value) => drop(map.insert(key, value)),
                }
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let key = tagged.tag.to_string();
            Value::Object(Map::from_iter([(key, of_yaml(tagged.value))]))
        }
    }
}

/// The entries of an object; none of anything else.
pub fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The items of a list, or the one value that is no list.
pub fn items(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

/// A whole number, also one that is written as a text.
pub fn number(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// A plain value as a text: what is made of others at deployment is none.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.contains("${") && !text.contains("{{") => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}
