//! All files of a package: which are translated, and what imports in them name.

mod decide;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::emit::{Format, emit};
use crate::facts::{self, Facts, Usage};
use crate::package_json::PackageJson;
use crate::parse::{Language, Problem};
use crate::paths::{folder, name, specifier};
use crate::resolve::{Files, Meant};
use crate::specifiers::Replacements;
use crate::tsconfig::{CompilerOptions, ConfigLoader};
use crate::{ConfigError, Emitted, EmittedFile, MARK, Sources, bounded, throwing};

use decide::Decision;
use scripts::Scripts;

type Sha256Digest = [u8; 32];
type ReadFacts = Arc<Result<Facts, Problem>>;

/// Translates packages, and keeps what it made for the next time.
#[derive(Debug, Default)]
pub struct Transpiler {
    facts: BTreeMap<(Sha256Digest, Language), ReadFacts>,
    /// The bytes by all that decides about them, with their digests.
    made: BTreeMap<Sha256Digest, (Arc<[u8]>, Sha256Digest)>,
    scripts: Scripts,
}

/// A file that is translated.
struct Source {
    path: Arc<str>,
    digest: [u8; 32],
    language: Language,
    facts: ReadFacts,
    options: Arc<CompilerOptions>,
    decision: Decision,
}

impl Source {
    /// The path of what is made of it.
    fn made(&self) -> String {
        made_path(&self.path, self.decision.options.format)
    }
}

fn made_path(path: &str, format: Format) -> String {
    match format {
        Format::Module => format!("{path}.mjs"),
        Format::CommonJs => format!("{path}.cjs"),
    }
}

/// The facts known of a package while it is translated.
struct Known<'a> {
    sources: &'a dyn Sources,
    files: Files<'a>,
    manifests: BTreeMap<String, PackageJson>,
    formats: BTreeMap<Arc<str>, Format>,
}

impl Known<'_> {
    /// The package.json that holds for a file, and its folder.
    fn manifest(&self, path: &str) -> (&str, Option<&PackageJson>) {
        let mut at = folder(path);
        loop {
            if let Some((folder, manifest)) = self.manifests.get_key_value(at) {
                return (folder, Some(manifest));
            }
            if at.is_empty() {
                return ("", None);
            }
            at = folder(at);
        }
    }

    fn meant(
        &self,
        text: &str,
        from: &str,
        usage: Usage,
        options: &CompilerOptions,
    ) -> Option<Meant> {
        if text.starts_with('#') {
            let (folder, manifest) = self.manifest(from);
            let target = manifest?.import(text);
            if let Some(target) = target {
                return self.files.imported(&target, folder);
            }
        }
        self.files.find(text, from, usage, options)
    }

    /// The text by which an import is replaced; `None` if it stays.
    fn replacement(&self, text: &str, from: &str, meant: &Meant) -> Option<String> {
        let to = match self.formats.get(meant.path.as_str()) {
            Some(format) => made_path(&meant.path, *format),
            None if meant.exact => return None,
            None => meant.path.clone(),
        };
        let query = text.find('?').map_or("", |at| &text[at..]);
        Some(specifier(folder(from), &to) + query)
    }
}

impl Transpiler {
    /// Translates what has to be translated of a package. Blocks; quick when little changed.
    ///
    /// # Errors
    /// [`ConfigError`] when a `tsconfig.json` cannot be used.
    pub fn emit(&mut self, sources: &dyn Sources) -> Result<Emitted, Box<ConfigError>> {
        let paths = sources.paths();
        let own = |path: &&Arc<str>| !path.split('/').any(|part| part == "node_modules");
        let translated: Vec<(Arc<str>, Language)> = paths
            .iter()
            .filter(own)
            .filter_map(|path| Some((Arc::clone(path), Language::of(path)?)))
            .filter(|(_, language)| language.is_translated())
            .collect();
        if translated.is_empty() {
            *self = Self::default();
            return Ok(Emitted::default());
        }
        let entries = sources.entries();
        let is_entry = entries.is_none_or(|entries| entries.iter().any(|path| is_source(path)));
        let mut known = Known {
            sources,
            files: Files {
                root: sources.root(),
                paths: &paths,
            },
            manifests: manifests(sources, &paths),
            formats: BTreeMap::new(),
        };
        // Of a package that was compiled, only what was made of its sources runs.
        if !is_entry && !self.scripts.import_sources(&known, &paths) {
            self.facts.clear();
            self.made.clear();
            return Ok(Emitted::default());
        }
        let mut configs = ConfigLoader::new(sources);
        let files = self.decide(translated, &known, &mut configs)?;
        known.formats = files
            .iter()
            .map(|file| (Arc::clone(&file.path), file.decision.options.format))
            .collect();
        let changed = self.scripts.change(&known, &paths, &mut configs)?;
        let mut emitted = self.make(&files, &known, changed);
        emitted.warnings = configs.warnings;
        if !configs.outside.is_empty() {
            let mut hasher = Sha256::new();
            for (path, digest) in &configs.outside {
                hasher.update(path.as_os_str().as_encoded_bytes());
                hasher.update(digest);
            }
            emitted.outside = Some(hasher.finalize().into());
        }
        Ok(emitted)
    }

    /// Reads the files, and decides how each is translated.
    fn decide(
        &mut self,
        translated: Vec<(Arc<str>, Language)>,
        known: &Known<'_>,
        configs: &mut ConfigLoader<'_>,
    ) -> Result<Vec<Source>, Box<ConfigError>> {
        let mut found = BTreeMap::new();
        let mut files = Vec::with_capacity(translated.len());
        for (path, language) in translated {
            let options = configs.options(&known.sources.root().join(folder(&path)))?;
            // Gone since it was listed: the next save tells.
            let Ok(digest) = known.sources.digest(&path) else {
                continue;
            };
            let key = (digest, language);
            let read = self.facts.remove(&key);
            let read = read.or_else(|| found.get(&key).map(Arc::clone));
            let read = read.unwrap_or_else(|| {
                Arc::new(text_of(known.sources, &path).and_then(|text| {
                    let own = text.clone();
                    bounded::run(&text, move || facts::read(&own, language))
                }))
            });
            found.insert(key, Arc::clone(&read));
            let module = known.manifest(&path).1.and_then(|manifest| manifest.module);
            let decision = Decision::new(&path, (*read).as_ref().ok(), module, &options);
            files.push(Source {
                path,
                digest,
                language,
                facts: read,
                options,
                decision,
            });
        }
        self.facts = found;
        Ok(files)
    }

    fn make(&mut self, files: &[Source], known: &Known<'_>, changed: Vec<EmittedFile>) -> Emitted {
        let wanted: BTreeSet<String> = files
            .iter()
            .filter_map(|file| (*file.facts).as_ref().ok())
            .flat_map(|facts| facts.names.iter().cloned())
            .collect();
        let mut plain = changed.is_empty();
        let mut made = BTreeMap::new();
        let mut emitted = changed;
        for file in files {
            let (replacements, stays) = replacements(file, known);
            plain &= stays && file.decision.plain;
            let path = file.made();
            // A file of the package's own: it is what its author wants there.
            if known.files.paths.contains(path.as_str()) {
                continue;
            }
            let key = key(file, &replacements);
            let known_bytes = self.made.remove(&key);
            let (bytes, digest) = known_bytes.unwrap_or_else(|| {
                let code = translate(file, known.sources, replacements, &wanted);
                let digest = Sha256::digest(code.as_bytes()).into();
                (code.into_bytes().into(), digest)
            });
            made.insert(key, (Arc::clone(&bytes), digest));
            emitted.push(EmittedFile {
                path: path.into(),
                bytes,
                digest,
            });
        }
        self.made = made;
        let mark: &[u8] = if plain { b"plain\n" } else { b"made\n" };
        emitted.push(EmittedFile {
            path: MARK.into(),
            bytes: mark.into(),
            digest: Sha256::digest(mark).into(),
        });
        emitted.sort_by(|a, b| a.path.cmp(&b.path));
        Emitted {
            files: emitted,
            plain,
            ..Emitted::default()
        }
    }
}

/// Returns whether a file is translated, by its name.
fn is_source(path: &str) -> bool {
    Language::of(path).is_some_and(Language::is_translated)
}

/// The package.json files of a package, by their folders.
fn manifests(sources: &dyn Sources, paths: &BTreeSet<Arc<str>>) -> BTreeMap<String, PackageJson> {
    let manifests = paths.iter().filter(|path| name(path) == "package.json");
    manifests
        .filter_map(|path| {
            let bytes = sources.read(path).ok()?;
            Some((folder(path).to_owned(), PackageJson::read(&bytes)))
        })
        .collect()
}

/// The text of a source.
fn text_of(sources: &dyn Sources, path: &str) -> Result<String, Problem> {
    let bytes = sources.read(path);
    let bytes = bytes.map_err(|error| Problem::of_file(format!("it cannot be read: {error}")))?;
    if bytes.len() > bounded::MAX_BYTES {
        let (size, most) = (bytes.len() >> 20, bounded::MAX_BYTES >> 20);
        let why = format!("it has {size} MiB; files of at most {most} MiB are translated");
        return Err(Problem::of_file(why));
    }
    String::from_utf8(bytes).map_err(|_| Problem::of_file("it is not UTF-8 text"))
}

/// The texts that replace a file's imports, and whether Node.js needs none of them.
fn replacements(file: &Source, known: &Known<'_>) -> (Replacements, bool) {
    let mut replacements = Replacements::new();
    let mut stays = true;
    let Ok(facts) = &*file.facts else {
        return (replacements, false);
    };
    for specifier in &facts.specifiers {
        let (text, usage) = (&specifier.text, specifier.usage);
        let Some(meant) = known.meant(text, &file.path, usage, &file.options) else {
            continue;
        };
        let json = usage == Usage::Import && meant.path.ends_with(".json");
        stays &= meant.exact && (!json || specifier.attributes);
        if let Some(new) = known.replacement(text, &file.path, &meant) {
            replacements.insert((text.clone(), usage), new);
        }
    }
    (replacements, stays)
}

/// All that decides what is made of a file.
fn key(file: &Source, replacements: &Replacements) -> [u8; 32] {
    let options = &file.decision.options;
    let text = format!(
        "{}\0{:?}\0{options:?}\0{replacements:?}",
        name(&file.path),
        file.language
    );
    let mut hasher = Sha256::new();
    hasher.update(file.digest);
    hasher.update(text);
    hasher.finalize().into()
}

/// Translates a file; what cannot be translated throws the reason.
fn translate(
    file: &Source,
    sources: &dyn Sources,
    replacements: Replacements,
    wanted: &BTreeSet<String>,
) -> String {
    let options = file.decision.options.clone();
    let format = options.format;
    let name = name(&file.path).to_owned();
    let (own_name, language) = (name.clone(), file.language);
    let text = text_of(sources, &file.path);
    let made = match (&*file.facts, &text) {
        (Err(problem), _) | (_, Err(problem)) => Err(problem.clone()),
        (Ok(_), Ok(text)) => {
            let own = text.clone();
            bounded::run(text, move || {
                emit(&own, &own_name, language, &options, &replacements)
            })
        }
    };
    let text = text.unwrap_or_default();
    made.unwrap_or_else(|problem| throwing::module(&problem, (&name, &text), format, wanted))
}
