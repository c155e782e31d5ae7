//! The texts that must not leave this machine in a bug report: values of variables, tokens,
//! credentials.

use std::path::Path;
use std::sync::LazyLock;

use fnlocal_project::{Environment, Project, Running, env_files, read_inside};
use regex::{Captures, Regex};
use serde_json::Value;

/// Stands for what was taken out.
pub const REMOVED: &str = "[removed]";
/// The minimum length in bytes of a value that is looked for: shorter ones are words of any text.
const MIN_VALUE_BYTES: usize = 4;
/// Parts of the names of the shell's variables whose values are looked for.
const SECRET_NAMES: [&str; 7] = ["TOKEN", "SECRET", "KEY", "PASS", "CRED", "AUTH", "PWD_"];
/// Keys of fnlocal.toml whose text is shown; of others numbers, times and sizes only.
const SHOWN_KEYS: [&str; 14] = [
    "base_image",
    "cron",
    "default",
    "env",
    "function",
    "instance_type",
    "logs",
    "name",
    "over_rate",
    "packages",
    "region",
    "runtime",
    "schedule",
    "signature",
];
/// Keys whose tables have keys that a person chose, and values that may be secrets.
const HIDDEN_TABLES: [&str; 2] = ["headers", "variables"];

/// Credentials in a URL, its query, and what stands behind a place in a file a person wrote.
static FREE_TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let credentials = r#"(?<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@"']*@"#;
    let query = r#"(?<mark>\?)[^\s"'`)\]]+"#;
    let quoted = r"(?s)(?<place>(?:fnlocal\.toml|package\.json|\.env[.\w]*):\d+(?::\d+)?).*";
    Regex::new(&format!("{credentials}|{query}|{quoted}")).ok()
});

/// Takes out of text what must not be in it.
pub struct Redactor {
    /// The longest first: one may be a part of another.
    values: Vec<String>,
}

impl Redactor {
    /// Knows the values of the project's variables, of the shell's where their name tells, and the
    /// run's token.
    pub fn new(root: &Path, project: Option<&Project>, running: Option<&Running>) -> Self {
        let mut values: Vec<String> = running.map(|one| one.token.clone()).into_iter().collect();
        let mut files = env_files("dev");
        let environments = project
            .iter()
            .flat_map(|project| project.config().env.keys());
        for name in environments {
            files.extend(env_files(name));
            values.extend(values_of_files(root, name));
        }
        values.extend(values_of_files(root, "dev"));
        // A file that cannot be read as one of variables has values, too.
        for file in files {
            let bytes = read_inside(root, &root.join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.lines().filter_map(|line| line.split_once('='));
            let values_of = lines.map(|(_, value)| value.trim().trim_matches(['"', '\'']));
            values.extend(values_of.map(str::to_owned));
        }
        let declared: Vec<&String> = project.map_or_else(Vec::new, declared);
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().to_uppercase();
            let is_secret = SECRET_NAMES.iter().any(|part| name.contains(part))
                || declared.iter().any(|known| known.to_uppercase() == name);
            if is_secret {
                values.push(value.to_string_lossy().into_owned());
            }
        }
        values.retain(|value| value.len() >= MIN_VALUE_BYTES);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values }
    }

    /// Takes it out of every text in a document.
    pub fn clean(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.clean(one)),
            Value::Object(all) => all.values_mut().for_each(|one| self.clean(one)),
            _ => {}
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), REMOVED);
            }
        }
        let Some(free_text) = &*FREE_TEXT else {
            // Never: the pattern is a constant. Rather nothing than too much.
            return REMOVED.to_owned();
        };
        let replaced = free_text.replace_all(&text, |found: &Captures<'_>| {
            let scheme = found.name("scheme");
            let kept = scheme.or(found.name("mark")).or(found.name("place"));
            let kept = kept.map_or("", |kept| kept.as_str());
            let end = if scheme.is_some() { "@" } else { "" };
            format!("{kept}{REMOVED}{end}")
        });
        replaced.into_owned()
    }
}

/// Values as they stand in an environment's files, and with references replaced.
fn values_of_files(root: &Path, name: &str) -> Vec<String> {
    let read = [false, true].map(|expands| Environment::read(root, name, expands));
    let read = read.into_iter().flatten();
    read.flat_map(|environment| environment.shared().values().cloned().collect::<Vec<_>>())
        .collect()
}

/// Variables of the shell that functions are given by the configuration.
fn declared(project: &Project) -> Vec<&String> {
    let config = project.config();
    let all = config.functions.values().chain([&config.defaults]);
    all.flat_map(|function| function.env.iter().flatten())
        .collect()
}

/// Returns a configuration with its keys, and without texts that may be secrets.
pub fn config(value: &Value) -> Value {
    shown(value, None)
}

fn shown(value: &Value, key: Option<&str>) -> Value {
    match value {
        Value::Object(all) if key.is_some_and(|key| HIDDEN_TABLES.contains(&key)) => {
            let hidden = all.keys().map(|key| (key.clone(), Value::from(REMOVED)));
            hidden.collect()
        }
        Value::Object(all) => all
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), shown(value, Some(key))))
            .collect(),
        Value::Array(all) => all.iter().map(|one| shown(one, key)).collect(),
        Value::String(text) => {
            let known = key.is_some_and(|key| SHOWN_KEYS.contains(&key));
            if known || is_quantity(text) {
                value.clone()
            } else {
                REMOVED.into()
            }
        }
        other => other.clone(),
    }
}

/// Returns whether text is a number with a unit, such as `15s`, `512MB` or `10/s`.
fn is_quantity(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.len() < text.len()
        && text.len() <= 12
        && unit.len() <= 4
        && unit
            .chars()
            .all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '/' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_queries_and_quoted_lines_are_redacted() {
        let redactor = Redactor {
            values: vec!["s3cret-value".to_owned()],
        };
        for (text, wanted) in [
            (
                "redis://me:pw@host/0 is away",
                "redis://[removed]@host/0 is away",
            ),
            ("GET /bid?token=abc&x=1 failed", "GET /bid?[removed] failed"),
            ("a s3cret-value b", "a [removed] b"),
            (
                "/p/fnlocal.toml:3:5: invalid type: string \"x\"\n | a = \"x\"",
                "/p/fnlocal.toml:3:5[removed]",
            ),
            ("put it into fnlocal.toml", "put it into fnlocal.toml"),
        ] {
            assert_eq!(redactor.text(text), wanted);
        }
    }

    #[test]
    fn a_configuration_keeps_its_keys_numbers_and_names() {
        let all = serde_json::json!({
            "name": "shop",
            "functions": {"bid": {"timeout": "15s", "memory": "512MB", "rps": 3, "env": ["A"]}},
            "env": {"prod": {"region": "eu-west-1", "variables": {"A": "ssm:/x"}, "vpc": null}},
            "loadtest": {"scenarios": {"a": {"headers": {"authorization": "12345abcde"}}}},
        });
        assert_eq!(
            config(&all),
            serde_json::json!({
                "name": "shop",
                "functions": {"bid": {"timeout": "15s", "memory": "512MB", "rps": 3, "env": ["A"]}},
                "env": {"prod": {"region": "eu-west-1", "variables": {"A": REMOVED}}},
                "loadtest": {"scenarios": {"a": {"headers": {"authorization": REMOVED}}}},
            })
        );
    }
}
