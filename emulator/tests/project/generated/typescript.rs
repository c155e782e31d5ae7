//! The types of `config` in code, and the keys that the wrapper knows.

use std::fmt::Write;

use fnlocal_project::{bounds, camel, schema};
use serde_json::Value;

use super::reference::choices;
use super::tables;

const HEAD: &str =
    "// Written by `make generate` from emulator/project/src/config.rs. Do not edit.\n";
/// The number of characters of a comment's line.
const WIDTH: usize = 100;

/// `types/config.d.ts`.
pub fn types() -> String {
    let mut out = HEAD.to_owned();
    for table in tables::all() {
        let in_code = |place: &Vec<String>| place.starts_with(&["functions".to_owned()]);
        if !table.places.iter().any(in_code) {
            continue;
        }
        write!(
            out,
            "\n{}export interface {} {{\n",
            comment(table.text, ""),
            table.name
        )
        .unwrap();
        for (key, schema) in &table.keys {
            let optional = if table.required.iter().any(|name| name == key) {
                ""
            } else {
                "?"
            };
            let kind = kind(schema);
            // Only the keys of `config` itself may be in camel case.
            let name = if table.name == "FunctionConfig" {
                camel(key)
            } else {
                key.clone()
            };
            writeln!(
                out,
                "{}  {name}{optional}: {kind};",
                comment(&text(schema), "  ")
            )
            .unwrap();
            if name != *key {
                let same = format!("The same as `{name}`, spelt as in fnlocal.toml.");
                writeln!(out, "{}  {key}{optional}: {kind};", comment(&same, "  ")).unwrap();
            }
        }
        out += "}\n";
    }
    out
}

/// `src/config-keys.js`.
pub fn keys() -> String {
    let keys = &schema()["$defs"]["FunctionConfig"]["properties"];
    let keys: Vec<String> = keys
        .as_object()
        .unwrap()
        .keys()
        .map(|key| format!("  {key:?},\n"))
        .collect();
    format!(
        "{HEAD}\n/** The keys of a function's config, spelt as in fnlocal.toml. */\nexport const CONFIG_KEYS = [\n{}];\n",
        keys.concat()
    )
}

/// Returns a key's meaning, with its default and bounds.
fn text(schema: &Value) -> String {
    let mut text = schema["description"]
        .as_str()
        .unwrap_or_default()
        .replace('\n', " ");
    text += match schema["x-type"].as_str() {
        Some("time span") => " A text such as \"1.5s\", or milliseconds.",
        Some("memory") => " A text such as \"512MB\", or megabytes.",
        Some("size") => " A text such as \"6MB\".",
        _ => "",
    };
    if let Some(default) = schema.get("default") {
        write!(text, " Default: {default}.").unwrap();
    }
    if let Some(bounds) = bounds(schema) {
        write!(text, " Must be {bounds}.").unwrap();
    }
    text
}

fn comment(text: &str, indent: &str) -> String {
    if text.len() + indent.len() + 7 <= WIDTH {
        return format!("{indent}/** {text} */\n");
    }
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.len() + word.len() + indent.len() + 4 > WIDTH {
            lines.push(word.to_owned());
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    let lines: String = lines
        .iter()
        .map(|line| format!("{indent} * {line}\n"))
        .collect();
    format!("{indent}/**\n{lines}{indent} */\n")
}

/// The type of a key's value. A number beside a text is the unit that the reference names.
fn kind(schema: &Value) -> String {
    let either = |forms: &[Value], each: fn(&Value) -> String| {
        let forms: Vec<String> = forms.iter().map(each).collect();
        forms.join(" | ")
    };
    let choices = choices(schema);
    if let Some(words) = choices.as_array().filter(|words| !words.is_empty()) {
        return either(words, Value::to_string);
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        return either(forms, kind);
    }
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/$defs/"))
    {
        let target = &fnlocal_project::schema()["$defs"][name];
        return if target["anyOf"].is_array() {
            kind(target)
        } else {
            name.to_owned()
        };
    }
    match (schema["x-type"].as_str(), schema["type"].as_str()) {
        (Some("rate"), _) => "number | \"unlimited\"".to_owned(),
        (Some("size"), _) | (None, Some("string")) => "string".to_owned(),
        (Some(_), _) => "number | string".to_owned(),
        (None, Some("integer")) => "number".to_owned(),
        (None, Some("array")) => format!("{}[]", kind(&schema["items"])),
        (None, Some(other)) => other.to_owned(),
        (None, None) => "unknown".to_owned(),
    }
}
