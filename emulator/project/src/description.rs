//! A wrapper's description of a package's code.

use std::collections::BTreeMap;

use fnlocal_api::{Failure, cut, read_failure};
use fnlocal_core::trigger::Signature;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::resolve::MAX_SHOWN_BYTES;

/// A wrapper's description of a package, as it came: the word of other people's code.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Description(Vec<DescribedModule>);

impl Description {
    /// Holds a description against the entries that were asked for. Returns one module for each: one
    /// with an error where there is none. Modules that were not asked for are left out, and names
    /// are cut.
    #[must_use]
    pub fn of_entries(self, entries: &[String]) -> Vec<DescribedModule> {
        let mut said: BTreeMap<String, DescribedModule> = BTreeMap::new();
        for mut module in self.0 {
            for function in &mut module.functions {
                cut(&mut function.name, MAX_SHOWN_BYTES);
            }
            said.entry(module.entry.clone()).or_insert(module);
        }
        let module = |entry: &String| {
            said.remove(entry)
                .unwrap_or_else(|| DescribedModule::missing(entry))
        };
        entries.iter().map(module).collect()
    }
}

/// The wrapper's description of one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DescribedModule {
    /// The file, relative to its package.
    pub entry: String,
    /// The exports.
    #[serde(default)]
    pub functions: Vec<DescribedFunction>,
    /// Why it could not be imported.
    #[serde(default, deserialize_with = "read_failure")]
    pub error: Option<Failure>,
}

impl DescribedModule {
    fn missing(entry: &str) -> Self {
        let text = format!("the wrapper does not describe {entry}");
        Self {
            entry: entry.to_owned(),
            error: Some(Failure::plain(text, None)),
            ..Self::default()
        }
    }
}

/// The wrapper's description of one export.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DescribedFunction {
    /// Its name.
    pub name: String,
    /// Its `config`.
    #[serde(default)]
    pub config: Value,
    /// The form of its handler. `None` for one that is not known here.
    #[serde(default, deserialize_with = "read_signature")]
    pub signature: Option<Signature>,
}

fn read_signature<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Signature>, D::Error> {
    let word = Value::deserialize(from)?;
    Ok(serde_json::from_value(word).ok())
}
