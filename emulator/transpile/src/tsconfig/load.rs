//! Reading of `tsconfig.json` and what it extends: files of the project, and nothing outside of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::CompilerOptions;
use crate::paths::normal;
use crate::{ConfigError, Sources};

const NAME: &str = "tsconfig.json";
const MAX_BYTES: usize = 1 << 20;
/// Configurations that may extend one another in a row.
const MAX_DEPTH: usize = 32;

/// A file that is being extended, for errors in it.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn fail(&self, (line, column): (usize, usize), message: String) -> Box<ConfigError> {
        Box::new(ConfigError {
            path: self.path.to_owned(),
            text: self.text.to_owned(),
            line,
            column,
            message,
            hint: None,
        })
    }

    /// Where a text first stands.
    fn place(&self, wanted: &str) -> (usize, usize) {
        let lines = self.text.lines().enumerate();
        let mut found =
            lines.filter_map(|(number, line)| Some((number + 1, line.find(wanted)? + 1)));
        found.next().unwrap_or((1, 1))
    }
}

/// Finds and reads the configurations of a package's folders.
pub(crate) struct ConfigLoader<'a> {
    sources: &'a dyn Sources,
    folders: BTreeMap<PathBuf, Arc<CompilerOptions>>,
    /// Files that were read outside of the package, by their paths in the project, with their digests.
    pub outside: BTreeMap<PathBuf, [u8; 32]>,
    /// Texts about configurations that were passed over.
    pub warnings: Vec<String>,
}

impl<'a> ConfigLoader<'a> {
    pub fn new(sources: &'a dyn Sources) -> Self {
        Self {
            sources,
            folders: BTreeMap::new(),
            outside: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// The options for the files of a folder: those of the nearest `tsconfig.json` up to the project's
    /// folder, or the usual ones.
    pub fn options(&mut self, folder: &Path) -> Result<Arc<CompilerOptions>, Box<ConfigError>> {
        if let Some(known) = self.folders.get(folder) {
            return Ok(Arc::clone(known));
        }
        let file = folder.join(NAME);
        let options = match self.read(&file) {
            Ok(Some(text)) => {
                let mut options = CompilerOptions::default();
                self.apply(&file, &text, &mut options, &mut Vec::new())?;
                Arc::new(options)
            }
            Ok(None) => match folder.parent() {
                Some(above) if folder != self.sources.project() => self.options(above)?,
                _ => Arc::default(),
            },
            Err(error) => {
                let source = Source {
                    path: &file,
                    text: "",
                };
                return Err(source.fail((1, 1), error.to_string()));
            }
        };
        self.folders.insert(folder.to_owned(), Arc::clone(&options));
        Ok(options)
    }

    /// Reads a file of the project; `None` if it is not there.
    fn read(&mut self, path: &Path) -> io::Result<Option<String>> {
        let own = path.strip_prefix(self.sources.root()).ok();
        let own = own.and_then(Path::to_str);
        let (bytes, outside) = match own.map(|own| self.sources.read(own)) {
            Some(Ok(bytes)) => (bytes, false),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => match self.sources.read_outside(path) {
                Ok(bytes) => (bytes, true),
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        if bytes.len() > MAX_BYTES {
            return Err(io::Error::other("it has more than 1 MiB"));
        }
        if outside {
            let digest = Sha256::digest(&bytes).into();
            let relative = path.strip_prefix(self.sources.project()).unwrap_or(path);
            self.outside.insert(relative.to_owned(), digest);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(io::Error::other("it is not UTF-8 text")),
        }
    }

    /// Takes over what a file says, after what it extends.
    fn apply(
        &mut self,
        path: &Path,
        text: &str,
        options: &mut CompilerOptions,
        chain: &mut Vec<PathBuf>,
    ) -> Result<(), Box<ConfigError>> {
        let source = Source { path, text };
        let json = parse(&source)?;
        let folder = path.parent().unwrap_or(path);
        chain.push(path.to_owned());
        let extended: Vec<&str> = match json.get("extends") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for wanted in extended {
            let fail = |message: String| source.fail(source.place(&quoted(wanted)), message);
            let found = self.find(wanted, folder);
            let found = found.map_err(|error| fail(format!("{wanted} cannot be read: {error}")))?;
            let Some((file, text)) = found else {
                if is_path(wanted) {
                    return Err(fail(format!("there is no {wanted}, which it extends")));
                }
                let from = path.strip_prefix(self.sources.project()).unwrap_or(path);
                let from = from.display();
                self.warnings.push(format!(
                    "{from} extends {wanted}, which is not installed: the options in it are not known"
                ));
                continue;
            };
            if chain.contains(&file) {
                return Err(fail(format!("it extends itself by {wanted}")));
            }
            if chain.len() >= MAX_DEPTH {
                return Err(fail(format!(
                    "more than {MAX_DEPTH} files extend one another"
                )));
            }
            self.apply(&file, &text, options, chain)?;
        }
        chain.pop();
        if let Some(Value::Object(own)) = json.get("compilerOptions") {
            options.apply(own, folder);
        }
        Ok(())
    }

    /// Finds an extended file, and its text.
    fn find(&mut self, wanted: &str, folder: &Path) -> io::Result<Option<(PathBuf, String)>> {
        let bases = if is_path(wanted) {
            vec![folder.join(wanted)]
        } else {
            let project = self.sources.project().to_owned();
            let inside = folder.ancestors().take_while(|at| at.starts_with(&project));
            inside
                .map(|at| at.join("node_modules").join(wanted))
                .collect()
        };
        for base in bases {
            let Some(base) = normal(&base).filter(|base| base.starts_with(self.sources.project()))
            else {
                return Err(io::Error::other("it is outside of the project"));
            };
            let named = base.extension().is_some_and(|ending| ending == "json");
            let with_ending = PathBuf::from(format!("{}.json", base.display()));
            let candidates = match named {
                true => vec![base],
                false => vec![with_ending, base.join(NAME)],
            };
            for file in candidates {
                if let Some(text) = self.read(&file)? {
                    return Ok(Some((file, text)));
                }
            }
        }
        Ok(None)
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn is_path(wanted: &str) -> bool {
    wanted.starts_with('.') || wanted.starts_with('/')
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn parse(source: &Source<'_>) -> Result<Map<String, Value>, Box<ConfigError>> {
    let mut plain = source.text.to_owned();
    let stripped = json_strip_comments::strip(&mut plain);
    if let Err(error) = stripped {
        return Err(source.fail((1, 1), error.to_string()));
    }
    if plain.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(&plain) {
        Ok(Value::Object(json)) => Ok(json),
        Ok(_) => Err(source.fail((1, 1), "it is no object".to_owned())),
        Err(error) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            let place = (error.line().max(1), error.column().max(1));
            Err(source.fail(place, message.to_owned()))
        }
    }
}
