//! `docs/configuration.md`.

use std::fmt::Write;

use fnlocal_project::bounds;
use serde_json::Value;

use super::tables::{self, Table};

const HEAD: &str = "\
<!-- Written by `make generate` from emulator/project/src/config.rs. Do not edit. -->

# Configuration

Every key of `fnlocal.toml`. Only those marked `required` are required, within their table. `fnlocal schema` prints the same as a
JSON schema for editors. A wrong key is an error that shows its place and the nearest name.

Settings of a function also stand in its code, as `config` beside its handler or on it. There a key may
be in camel case, such as `maxInstances`, and the same bounds hold. The place nearest to the
function wins: `[functions.NAME]`, then `config` in code, then `[defaults]`, then `[limits]` and `[async]`.

| type | meaning |
|---|---|
| time span | a number with `ms`, `s`, `m`, `h` or `d`, such as `\"1.5s\"`; a bare number is milliseconds, and at least 100 |
| memory | a number with `MB` or `GB`, such as `\"512MB\"`; a bare number is megabytes of 1,048,576 bytes |
| size | a number with `B`, `KB`, `MB` or `GB`, such as `\"6MB\"`; 1 KB is 1,024 bytes |
| rate | a number of requests a second, or `\"unlimited\"` |
";

/// The reference.
pub fn write() -> String {
    let mut out = HEAD.to_owned();
    for table in tables::all() {
        let (first, others) = table.places.split_first().unwrap();
        let also = others.iter().map(|place| format!("`{}`", heading(place)));
        let code = table.places.iter().find_map(|place| {
            let inner =
                place.strip_prefix(["functions".to_owned(), "NAME".to_owned()].as_slice())?;
            let keys: Vec<&str> = ["config"]
                .into_iter()
                .chain(inner.iter().map(String::as_str))
                .collect();
            Some(format!("`{}` in code", keys.join(".")))
        });
        let also: Vec<String> = also.chain(code).collect();
        match first.as_slice() {
            [] => out += "\n## The file\n",
            place => write!(out, "\n## `{}`\n\n{}\n", heading(place), table.text).unwrap(),
        }
        if !also.is_empty() {
            write!(out, "\nAlso in {}.\n", also.join(", ")).unwrap();
        }
        out += "\n| key | meaning | type | default | bounds | example |\n";
        out += "|---|---|---|---|---|---|\n";
        for (key, schema) in &table.keys {
            out += &row(&table, key, schema);
        }
    }
    out
}

/// A key that may stand beside a key's schema as its value: an example, or the default.
pub fn example(schema: &Value) -> Option<Value> {
    let kind = schema["x-type"].as_str().unwrap_or_default();
    let usual = match kind {
        "time span" => Some("30s".into()),
        "memory" => Some("512MB".into()),
        "size" => Some("6MB".into()),
        _ => (schema["type"] == "boolean").then(|| true.into()),
    };
    let said = [
        &schema["examples"][0],
        &schema["default"],
        &choices(schema)[0],
    ];
    said.into_iter()
        .find(|value| !value.is_null())
        .cloned()
        .or(usual)
}

/// The words that a key may be; an empty list if it may be others.
pub fn choices(schema: &Value) -> Value {
    let schema = follow(schema);
    let forms = schema["oneOf"].as_array().into_iter().flatten();
    let words: Vec<Value> = forms
        .filter_map(|form| form.get("const").cloned())
        .collect();
    match schema.get("enum") {
        Some(words) => words.clone(),
        None => words.into(),
    }
}

fn follow(schema: &Value) -> &Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &fnlocal_project::schema()["$defs"][name])
}

fn heading(place: &[String]) -> String {
    match place.join(".") {
        name if name.ends_with("[]") => format!("[[{}]]", name.replace("[]", "")),
        name => format!("[{}]", name.replace("[]", "")),
    }
}

fn row(table: &Table, key: &str, schema: &Value) -> String {
    let required = table.required.iter().any(|name| name == key);
    let default = match schema.get("default") {
        Some(value) => format!("`{}`", toml(value)),
        None if required => "required".to_owned(),
        None => String::new(),
    };
    let example = example(schema).map(|value| format!("`{key} = {}`", toml(&value)));
    let text = schema["description"].as_str().unwrap_or_default();
    let cells = [
        format!("`{key}`"),
        text.replace('\n', " ") + &words(schema),
        kind(schema),
        default,
        bounds(schema).unwrap_or_default(),
        example.unwrap_or_default(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Returns the type of a key's value.
fn kind(schema: &Value) -> String {
    let target = follow(schema);
    let words = choices(schema);
    let words: Vec<String> = words
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| format!("`{word}`"))
        .collect();
    if !words.is_empty() {
        return words.join(" or ");
    }
    if let Some(forms) = target["anyOf"].as_array() {
        let forms: Vec<String> = forms.iter().map(kind).collect();
        return forms.join(" or ");
    }
    if let Some(kind) = target["x-type"].as_str() {
        return kind.to_owned();
    }
    match target["type"].as_str() {
        Some("integer") => match schema["x-unit"].as_str() {
            Some(unit) => format!("whole number ({unit})"),
            None => "whole number".to_owned(),
        },
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => format!("list of {}", kind(&target["items"])),
        Some("string") => "text".to_owned(),
        _ => "table".to_owned(),
    }
}

/// Returns the meanings of a key's words, if the schema has them.
fn words(schema: &Value) -> String {
    let forms = follow(schema)["oneOf"].as_array().into_iter().flatten();
    let words = forms.filter_map(|form| {
        let text = form["description"].as_str()?.trim_end_matches('.');
        Some(format!(" `{}`: {text}.", form["const"].as_str()?))
    });
    words.collect()
}

/// A value as fnlocal.toml spells it.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let keys: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml(value)))
                .collect();
            format!("{{ {} }}", keys.join(", "))
        }
        other => other.to_string(),
    }
}
