//! JavaScript files that import translated ones: their imports are changed in place, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use sha2::{Digest, Sha256};

use super::{Known, is_source, text_of};
use crate::facts::{Specifier, Usage, read};
use crate::parse::Language;
use crate::paths::folder;
use crate::tsconfig::{CompilerOptions, ConfigLoader};
use crate::{ConfigError, EmittedFile, bounded};

/// Scripts beyond it are bundles, which import no sources.
const MAX_BYTES: usize = 1 << 20;

/// Most that looks like an import; the parser tells the rest apart.
static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:from|import|require)\s*\(?\s*["']([^"'\n]+)["']"#).expect("it is valid")
});

/// The imports of scripts, by their digests.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    imports: BTreeMap<[u8; 32], Arc<Vec<String>>>,
}

impl Scripts {
    /// Returns whether a script imports a file that is translated.
    pub fn import_sources(&mut self, known: &Known<'_>, paths: &BTreeSet<Arc<str>>) -> bool {
        self.read(known, paths).iter().any(|(path, imports)| {
            imports.iter().any(|text| {
                let mut usages = [Usage::Import, Usage::Require].into_iter();
                let options = CompilerOptions::default();
                usages.any(|usage| {
                    let meant = known.meant(text, path, usage, &options);
                    meant.is_some_and(|meant| is_source(&meant.path))
                })
            })
        })
    }

    /// Reads what scripts import, as far as they import anything.
    fn read(
        &mut self,
        known: &Known<'_>,
        paths: &BTreeSet<Arc<str>>,
    ) -> Vec<(Arc<str>, Arc<Vec<String>>)> {
        let mut imports = BTreeMap::new();
        let mut read = Vec::new();
        for path in paths {
            let script = Language::JavaScript { jsx: false };
            let own = !path.split('/').any(|part| part == "node_modules");
            if !own || Language::of(path) != Some(script) {
                continue;
            }
            let Ok(digest) = known.sources.digest(path) else {
                continue;
            };
            let found = self.imports.remove(&digest);
            let found = found.or_else(|| imports.get(&digest).map(Arc::clone));
            let found = found.unwrap_or_else(|| Arc::new(imported(known, path)));
            imports.insert(digest, Arc::clone(&found));
            if !found.is_empty() {
                read.push((Arc::clone(path), found));
            }
        }
        self.imports = imports;
        read
    }

    /// Changes the imports that mean translated files.
    pub fn change(
        &mut self,
        known: &Known<'_>,
        paths: &BTreeSet<Arc<str>>,
        configs: &mut ConfigLoader<'_>,
    ) -> Result<Vec<EmittedFile>, Box<ConfigError>> {
        let mut changed = Vec::new();
        for (path, imports) in self.read(known, paths) {
            let options = configs.options(&known.sources.root().join(folder(&path)))?;
            let wants = |text: &String| {
                let mut usages = [Usage::Import, Usage::Require].into_iter();
                usages.any(|usage| replacement(known, &path, text, usage, &options).is_some())
            };
            if imports.iter().any(wants) {
                changed.extend(change(known, &path, &options));
            }
        }
        Ok(changed)
    }
}

/// Returns what a script seems to import.
fn imported(known: &Known<'_>, path: &str) -> Vec<String> {
    let Ok(text) = text_of(known.sources, path) else {
        return Vec::new();
    };
    if text.len() > MAX_BYTES {
        return Vec::new();
    }
    let found = IMPORT.captures_iter(&text);
    let found: BTreeSet<String> = found.map(|found| found[1].to_owned()).collect();
    found.into_iter().collect()
}

/// The new text of an import of a translated file.
fn replacement(
    known: &Known<'_>,
    path: &str,
    text: &str,
    usage: Usage,
    options: &CompilerOptions,
) -> Option<String> {
    let meant = known.meant(text, path, usage, options)?;
    known.formats.get(meant.path.as_str())?;
    known.replacement(text, path, &meant)
}

fn change(known: &Known<'_>, path: &Arc<str>, options: &CompilerOptions) -> Option<EmittedFile> {
    let mut text = text_of(known.sources, path).ok()?;
    let own = text.clone();
    let script = Language::JavaScript { jsx: false };
    // Node.js reports what cannot be parsed.
    let facts = bounded::run(&text, move || read(&own, script)).ok()?;
    let mut places: Vec<Specifier> = facts.specifiers;
    places.sort_by_key(|place| std::cmp::Reverse(place.range));
    let before = text.clone();
    for Specifier {
        text: old,
        usage,
        range: (start, end),
        ..
    } in places
    {
        if let Some(new) = replacement(known, path, &old, usage, options)
            && text.get(start..end).is_some()
        {
            text.replace_range(start..end, &serde_json::Value::from(new).to_string());
        }
    }
    if text == before {
        return None;
    }
    Some(EmittedFile {
        path: Arc::clone(path),
        digest: Sha256::digest(text.as_bytes()).into(),
        bytes: text.into_bytes().into(),
    })
}
