//! The fields of package.json about modules: `type` and `imports`.

use serde_json::{Map, Value};

/// Conditions of Node.js, and no others; the order in the file decides.
const CONDITIONS: [&str; 5] = ["node", "import", "require", "module-sync", "default"];

/// The parts of a package.json that decide about modules.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackageJson {
    /// `type`: `Some(true)` for `module`, `Some(false)` for `commonjs`.
    pub module: Option<bool>,
    imports: Map<String, Value>,
}

impl PackageJson {
    /// Reads it as far as it can be read: Node.js reports what is wrong with it.
    pub fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Ok(Value::Object(mut json)) = serde_json::from_slice(bytes) else {
            return Self::default();
        };
        let module = match json.get("type").and_then(Value::as_str) {
            Some("module") => Some(true),
            Some("commonjs") => Some(false),
            _ => None,
        };
        let imports = match json.remove("imports") {
            Some(Value::Object(imports)) => imports,
            _ => Map::new(),
        };
        Self { module, imports }
    }

    /// The file that `#name` stands for, relative to the package.json; `None` if it names none.
    pub fn import(&self, name: &str) -> Option<String> {
        if let Some(exact) = self.imports.get(name) {
            return target(exact, "");
        }
        let mut patterns: Vec<(&str, &str, &Value)> = self
            .imports
            .iter()
            .filter_map(|(pattern, value)| {
                let (start, end) = pattern.split_once('*')?;
                Some((start, end, value))
            })
            .collect();
        patterns.sort_by_key(|(start, ..)| std::cmp::Reverse(start.len()));
        patterns.into_iter().find_map(|(start, end, value)| {
            target(value, name.strip_prefix(start)?.strip_suffix(end)?)
        })
    }
}

fn target(value: &Value, part: &str) -> Option<String> {
    match value {
        Value::String(path) => path.starts_with("./").then(|| path.replace('*', part)),
        Value::Object(conditions) => conditions
            .iter()
            .filter(|(condition, _)| CONDITIONS.contains(&condition.as_str()))
            .find_map(|(_, value)| target(value, part)),
        Value::Array(values) => values.iter().find_map(|value| target(value, part)),
        _ => None,
    }
}
