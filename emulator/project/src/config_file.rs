//! Reading `fnlocal.toml`: spans, pictures, and the checks serde cannot make.

mod env;
mod loadtest;

use std::ops::Range;
use std::path::{Path, PathBuf};

use fnlocal_core::Profile;
use fnlocal_core::route_table::RouteTable;
use toml::de::{DeTable, DeValue};

use super::ProjectError;
use super::checks;
use super::config::{CONFIG_FILE, Config, FunctionConfig};
use super::diagnostics::{FileError, KeyError, suggest};
use super::files::read_text_inside;
use super::names;
use super::schema;
use super::settings::{self, FunctionSettings};
use super::values::unit_hint;

/// `fnlocal.toml` as read; also stands for its absence.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// Where it is; none when there is none.
    pub path: Option<PathBuf>,
    /// The contents.
    pub config: Config,
    text: String,
}

impl ConfigFile {
    /// Parses and checks.
    ///
    /// # Errors
    /// The first thing wrong, with a picture.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let config = parse(path, text)?;
        let file = Self {
            path: Some(path.to_owned()),
            config,
            text: text.to_owned(),
        };
        file.check()?;
        Ok(file)
    }

    /// Reads the file of a folder; without one, as if it were empty.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or something in it is wrong.
    pub fn read(folder: &Path) -> Result<Self, ProjectError> {
        let path = folder.join(CONFIG_FILE);
        match read_text_inside(folder, &path) {
            Ok(text) => {
                Self::parse(&path, &text).map_err(|error| ProjectError::Config(Box::new(error)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ProjectError::Io { path, source }),
        }
    }

    /// A function's settings as far as the file knows them: what code says is left out.
    ///
    /// # Errors
    /// The first bound that contradicts another, where it stands.
    pub fn settings(&self, name: &str, profile: Profile) -> Result<FunctionSettings, FileError> {
        let project = settings::of_project(&self.config);
        let mut layers = vec![&project, &self.config.defaults];
        layers.extend(self.config.functions.get(name));
        settings::merge(&layers, profile, None).map_err(|error| {
            let message = format!("function `{name}`: {error}");
            self.error_at(&["functions", name, error.key], message)
        })
    }

    /// An error at a key of the file, by the names that lead to it; where the key is absent, at the
    /// innermost table that exists.
    #[must_use]
    pub fn error_at(&self, keys: &[&str], message: impl Into<String>) -> FileError {
        let path = self.path.clone().unwrap_or_default();
        let span = locate(&self.text, keys).unwrap_or(0..0);
        FileError::new(&path, &self.text, span, message)
    }

    fn check(&self) -> Result<(), FileError> {
        let config = &self.config;
        if let Some(name) = config
            .name
            .as_deref()
            .filter(|name| !names::is_project(name))
        {
            let message = format!("`{name}` cannot be a project's name");
            return Err(self
                .error_at(&["name"], message)
                .with_hint(Some(names::PROJECT_RULE.into())));
        }
        if let Some(name) = config
            .default
            .as_deref()
            .filter(|name| !names::is_function(name))
        {
            let message = format!("`{name}` cannot be a function's name");
            return Err(self
                .error_at(&["default"], message)
                .with_hint(Some(names::RULE.into())));
        }
        schema::check_file(config).map_err(|error| self.key_error(&[], error))?;
        self.check_function(&["defaults"], &config.defaults)?;
        let delivery = FunctionConfig {
            delivery: Some(config.delivery.clone()),
            ..FunctionConfig::default()
        };
        self.check_function(&[], &delivery)?;
        for (name, function) in &config.functions {
            if !names::is_function(name) {
                let message = format!("`{name}` cannot be a function's name");
                let error = self.error_at(&["functions", name], message);
                return Err(error.with_hint(Some(names::RULE.into())));
            }
            self.check_function(&["functions", name], function)?;
        }
        self.check_routes()?;
        self.check_envs()?;
        self.check_loadtest()
    }

    fn check_routes(&self) -> Result<(), FileError> {
        RouteTable::new(&self.config.route_specs())
            .map(drop)
            .map_err(|conflict| {
                let index = conflict.index.to_string();
                let place = ["routes", &index, "path"];
                self.error_at(&place, conflict.why)
            })
    }

    fn check_function(&self, table: &[&str], config: &FunctionConfig) -> Result<(), FileError> {
        checks::check(config, self.config.limits.memory)
            .map_err(|error| self.key_error(table, error))
    }

    /// The error of a table, where its key stands in the file.
    fn key_error(&self, table: &[&str], error: KeyError) -> FileError {
        let inner = error.keys.iter().map(String::as_str);
        let keys: Vec<&str> = table.iter().copied().chain(inner).collect();
        self.error_at(&keys, error.to_string())
            .with_hint(error.hint.clone())
    }
}

fn parse(path: &Path, text: &str) -> Result<Config, FileError> {
    let fail = |error: &toml::de::Error, keys: &str| {
        let (message, hint) = explain(error.message(), keys);
        let span = error.span().unwrap_or(0..0);
        FileError::new(path, text, span, message).with_hint(hint)
    };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| fail(&error, ""))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let keys = error.path().to_string();
        fail(error.inner(), if keys == "." { "" } else { &keys })
    })
}

/// More than serde names of the choices of one place.
const MAX_CHOICES: usize = 64;

/// Turns serde's wording into ours, with a hint where a word is unknown.
///
/// serde gives no structure for these two kinds; its wording is part of its tests.
pub(super) fn explain(message: &str, keys: &str) -> (String, Option<String>) {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = |words: &mut dyn Iterator<Item = &str>| {
        let word = words.next().unwrap_or_default().to_owned();
        // The word may have quotes of its own, and then all of it seems to be known.
        let known: Vec<String> = words.take(MAX_CHOICES).map(str::to_owned).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = suggest(&word, &known);
        (word, hint)
    };
    if message.starts_with("unknown field") {
        let (word, hint) = unknown(&mut words);
        let table = keys.strip_suffix(word.as_str()).unwrap_or(keys);
        let table = table.trim_end_matches(['.', '?']);
        let place = match table {
            "" => String::new(),
            table => format!(" in `{table}`"),
        };
        return (format!("unknown key `{word}`{place}"), Some(hint));
    }
    let place = if keys.is_empty() {
        String::new()
    } else {
        format!("`{keys}`: ")
    };
    if message.starts_with("unknown variant") {
        let (word, hint) = unknown(&mut words);
        return (
            format!("{place}`{word}` is not one of the choices"),
            Some(hint),
        );
    }
    if let Some(hint) = unit_hint(message) {
        return (format!("{place}{message}"), Some(hint));
    }
    let number = ["u16", "u32", "u64"]
        .iter()
        .fold(message.to_owned(), |text, kind| {
            text.replace(
                &format!("expected {kind}"),
                "expected a whole number in range",
            )
        });
    (format!("{place}{number}"), None)
}

/// The bytes of a key's value, or of the innermost table on the way to it.
fn locate(text: &str, keys: &[&str]) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut span = None;
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        let Some((name, value)) = table.get_key_value(*key) else {
            break;
        };
        let (mut at, mut value) = (name.span(), value);
        // In a list, the next key is a number.
        while let DeValue::Array(list) = value.get_ref() {
            let index = keys.as_slice().first().and_then(|key| key.parse().ok());
            let Some(item) = index.and_then(|index: usize| list.get(index)) else {
                break;
            };
            keys.next();
            (at, value) = (item.span(), item);
        }
        match value.get_ref() {
            DeValue::Table(inner) => {
                span = Some(at);
                table = inner;
            }
            _ => return Some(value.span()),
        }
    }
    span
}
