//! TypeScript of packages of the project that others depend on. Node.js strips no types of installed
//! packages, so these are translated always, and their entries name what was made.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use fnlocal_transpile::{MARK, Sources, Transpiler};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::files::read_inside;
use crate::{CodeError, config_error};

/// Fields of package.json that name what is loaded.
const ENTRIES: [&str; 4] = ["main", "module", "exports", "imports"];

/// A file: its path, its bytes, and whether it can be executed.
pub(super) type LibraryFile = (String, Vec<u8>, bool);

/// The paths of sources, with those of what was made of them.
#[derive(Debug, Default)]
pub(super) struct MadeNames(BTreeMap<String, String>);

/// Adds what is made of a package's files to them.
pub(super) fn add(
    root: &Path,
    project: &Path,
    files: &mut Vec<LibraryFile>,
) -> Result<MadeNames, CodeError> {
    let manifest = read_inside(project, &root.join("package.json")).ok();
    let sources = LibrarySources {
        root,
        project,
        entries: manifest.as_deref().map(entries).unwrap_or_default(),
        manifest,
        files: files.as_slice(),
    };
    let emitted = Transpiler::default().emit(&sources);
    let emitted = emitted.map_err(|error| CodeError::Config(config_error(*error)))?;
    let mut names = MadeNames::default();
    for made in emitted.files.into_iter().filter(|made| &*made.path != MARK) {
        let bytes = made.bytes.to_vec();
        match files.iter_mut().find(|(path, ..)| **path == *made.path) {
            Some((_, own, _)) => *own = bytes,
            None => {
                if let Some((source, _)) = made.path.rsplit_once('.') {
                    names.0.insert(source.to_owned(), made.path.to_string());
                }
                files.push((made.path.to_string(), bytes, false));
            }
        }
    }
    Ok(names)
}

/// The paths and patterns that a package.json names as entries.
fn entries(manifest: &[u8]) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(path) => found.push(path.trim_start_matches("./").to_owned()),
            Value::Object(map) => map.values().for_each(|value| collect(value, found)),
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let manifest = manifest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(manifest);
    let manifest: Map<String, Value> = serde_json::from_slice(manifest).unwrap_or_default();
    let mut found = Vec::new();
    for field in ENTRIES {
        if let Some(value) = manifest.get(field) {
            collect(value, &mut found);
        }
    }
    found
}

impl MadeNames {
    /// Returns a package.json whose entries name what was made.
    pub fn in_manifest(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Ok(mut manifest) = serde_json::from_slice::<Map<String, Value>>(&bytes) else {
            return bytes;
        };
        for field in ENTRIES {
            if let Some(value) = manifest.get_mut(field) {
                self.rename(value);
            }
        }
        Value::Object(manifest).to_string().into_bytes()
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::String(path) => {
                let plain = path.trim_start_matches("./");
                if let Some(made) = self.0.get(plain) {
                    *path = format!("./{made}");
                } else if let Some(ending) = self.ending_of_pattern(plain) {
                    path.push_str(ending);
                }
            }
            Value::Object(map) => map.values_mut().for_each(|value| self.rename(value)),
            Value::Array(values) => values.iter_mut().for_each(|value| self.rename(value)),
            _ => {}
        }
    }

    /// The ending that is added to what a pattern such as `src/*.ts` stands for.
    fn ending_of_pattern(&self, pattern: &str) -> Option<&'static str> {
        let (start, end) = pattern.split_once('*')?;
        let fits = |source: &&String| source.starts_with(start) && source.ends_with(end);
        let source = self.0.keys().find(fits).filter(|_| end.contains("ts"))?;
        Some(if self.0[source].ends_with(".mjs") {
            ".mjs"
        } else {
            ".cjs"
        })
    }
}

/// The files of a package that others depend on.
struct LibrarySources<'a> {
    root: &'a Path,
    project: &'a Path,
    entries: Vec<String>,
    manifest: Option<Vec<u8>>,
    files: &'a [LibraryFile],
}

impl Sources for LibrarySources<'_> {
    fn root(&self) -> &Path {
        self.root
    }

    fn project(&self) -> &Path {
        self.project
    }

    fn entries(&self) -> Option<&[String]> {
        Some(&self.entries)
    }

    fn paths(&self) -> BTreeSet<Arc<str>> {
        let manifest = self.manifest.is_some().then(|| Arc::from("package.json"));
        let files = self.files.iter();
        let files = files.map(|(path, ..)| Arc::from(path.as_str()));
        files.chain(manifest).collect()
    }

    fn digest(&self, path: &str) -> io::Result<[u8; 32]> {
        Ok(Sha256::digest(self.read(path)?).into())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if let Some(manifest) = self.manifest.as_ref().filter(|_| path == "package.json") {
            return Ok(manifest.clone());
        }
        let mut files = self.files.iter();
        let found = files.find(|(name, ..)| name == path);
        let found = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(found.1.clone())
    }

    fn read_outside(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_inside(self.project, path)
    }
}
