//! The tables of `fnlocal.toml`, from its schema.

use fnlocal_project::schema;
use serde_json::{Map, Value};

/// A table: where it may stand and what it may hold.
pub struct Table {
    /// The keys that lead to it from the file's root, one list for each place. A list of tables ends
    /// in `[]`.
    pub places: Vec<Vec<String>>,
    /// Its name in the schema.
    pub name: &'static str,
    pub text: &'static str,
    pub keys: Map<String, Value>,
    pub required: Vec<Value>,
}

/// All tables: the file itself, then that of a function, then the others.
pub fn all() -> Vec<Table> {
    let root = schema();
    let mut tables = Vec::new();
    add("", root, Vec::new(), &mut tables);
    let mut keys: Vec<_> = root["properties"].as_object().unwrap().iter().collect();
    keys.sort_by_key(|(key, _)| *key != "functions");
    for (key, schema) in keys {
        walk(schema, vec![key.clone()], &mut tables);
    }
    tables
}

/// Follows a reference, to a schema and its name.
pub fn resolve(schema: &'static Value) -> (&'static str, &'static Value) {
    let path = schema["$ref"].as_str();
    match path.and_then(|path| path.strip_prefix("#/$defs/")) {
        Some(name) => (name, &fnlocal_project::schema()["$defs"][name]),
        None => ("", schema),
    }
}

fn walk(schema: &'static Value, place: Vec<String>, tables: &mut Vec<Table>) {
    let (name, schema) = resolve(schema);
    for form in schema["anyOf"].as_array().into_iter().flatten() {
        walk(form, place.clone(), tables);
    }
    if schema["items"].is_object() {
        let (last, before) = place.split_last().unwrap();
        let list = before.iter().cloned().chain([format!("{last}[]")]);
        walk(&schema["items"], list.collect(), tables);
    }
    if schema["additionalProperties"].is_object() {
        let named = place.iter().cloned().chain(["NAME".to_owned()]);
        walk(&schema["additionalProperties"], named.collect(), tables);
    }
    for (key, inner) in add(name, schema, place.clone(), tables) {
        walk(inner, place.iter().cloned().chain([key]).collect(), tables);
    }
}

/// Adds a table, or a place to one that is there. Returns its keys; none if it is no table.
fn add(
    name: &'static str,
    schema: &'static Value,
    place: Vec<String>,
    tables: &mut Vec<Table>,
) -> Vec<(String, &'static Value)> {
    let forms = schema["oneOf"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    let mut keys = Map::new();
    for form in forms.chain([schema]) {
        for (key, inner) in form["properties"].as_object().into_iter().flatten() {
            found.push((key.clone(), inner));
            let mut described = inner.clone();
            if described["description"].is_null() {
                // One of several forms has its text beside its key.
                described["description"] = form["description"].clone();
            }
            keys.insert(key.clone(), described);
        }
    }
    if keys.is_empty() {
        return found;
    }
    match tables.iter_mut().find(|table| table.name == name) {
        Some(table) => table.places.push(place),
        None => tables.push(Table {
            places: vec![place],
            name,
            text: schema["description"].as_str().unwrap_or_default(),
            keys,
            required: schema["required"].as_array().cloned().unwrap_or_default(),
        }),
    }
    found
}
