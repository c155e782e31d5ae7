//! What of a package's files can matter while they are loaded, as `fnlocal-skeleton` tells it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fnlocal_skeleton::{Dialect, Kind, Skeleton};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::build::code::Code;

/// A longer file is no code that somebody edits, but what a bundler made.
const LONGEST: u64 = 256 << 10;
/// Deeper is no code that somebody wrote.
const DEEPEST: usize = 500;
/// For a parser that goes as deep as a text of that length and depth may take it. Only what is used
/// of it is memory.
const STACK: usize = 256 << 20;

/// A package's code, taken apart.
pub(in crate::build) struct Outline {
    /// Those of which something is left out.
    files: Vec<Outlined>,
    /// The hash of everything else.
    kept: String,
}

struct Outlined {
    relative: String,
    text: String,
    skeleton: Skeleton,
    /// The number of its first body; they are counted through all files.
    first: usize,
}

impl Outline {
    /// Reads and takes apart. Blocks for about a millisecond per 100 kB of code.
    pub fn read(code: Code) -> Option<Self> {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let reading = thread.spawn(move || Self::of(&code).ok());
        reading.ok()?.join().ok()?
    }

    fn of(code: &Code) -> io::Result<Self> {
        let types = package_types(code);
        let mut hasher = Sha256::new();
        let mut texts: Vec<(String, String, Skeleton)> = Vec::new();
        for (relative, path, executable) in code.each() {
            part(&mut hasher, relative.as_bytes());
            part(&mut hasher, &[u8::from(executable)]);
            let mut file = File::open(path)?;
            match dialect(relative, &types) {
                Some(dialect) if file.metadata()?.len() <= LONGEST => {
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes)?;
                    let text = String::from_utf8(bytes);
                    match text.map(|text| (skeleton(&text, dialect), text)) {
                        Ok((Some(skeleton), text)) => {
                            texts.push((relative.to_owned(), text, skeleton));
                        }
                        Ok((None, text)) => part(&mut hasher, text.as_bytes()),
                        Err(error) => part(&mut hasher, error.as_bytes()),
                    }
                }
                _ => whole(&mut hasher, file)?,
            }
        }
        // Who imports CommonJS has Node look for the names of its exports in all of its text.
        let imports = texts.iter().any(|(.., skeleton)| {
            let kept = skeleton.kept();
            skeleton.kind() == Kind::Module || kept.windows(6).any(|word| word == b"import")
        });
        let mut files: Vec<Outlined> = Vec::new();
        let mut first = 0;
        for (relative, text, skeleton) in texts {
            if imports && skeleton.kind() == Kind::CommonJs {
                part(&mut hasher, text.as_bytes());
                continue;
            }
            part(&mut hasher, relative.as_bytes());
            part(&mut hasher, skeleton.kept());
            let bodies = skeleton.bodies().len();
            files.push(Outlined {
                relative,
                text,
                skeleton,
                first,
            });
            first += bodies;
        }
        let kept = hex(hasher);
        Ok(Self { files, kept })
    }

    /// The hash of all that matters when no body runs.
    pub fn kept(&self) -> &str {
        &self.kept
    }

    /// The hash of some bodies, by their numbers; nothing if there is no such body.
    pub fn bodies(&self, numbers: &[usize]) -> Option<String> {
        let mut hasher = Sha256::new();
        for &number in numbers {
            let files = self.files.iter().rev();
            let file = files.into_iter().find(|file| file.first <= number)?;
            let body = file.skeleton.bodies().nth(number - file.first)?;
            part(&mut hasher, &(number as u64).to_le_bytes());
            part(&mut hasher, file.text[body].as_bytes());
        }
        Some(hex(hasher))
    }

    /// Puts the files with marks at their bodies in the place of those in a folder.
    pub fn mark(&self, folder: &Path) -> io::Result<()> {
        for file in &self.files {
            let path = folder.join(&file.relative);
            // It may be there without the permission to write to it.
            std::fs::remove_file(&path)?;
            std::fs::write(path, file.skeleton.watched(&file.text, file.first))?;
        }
        Ok(())
    }
}

fn skeleton(text: &str, dialect: Dialect) -> Option<Skeleton> {
    let mut depth: usize = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return None;
        }
    }
    Skeleton::of(text, dialect)
}

/// The `type` of every package.json, by its folder.
fn package_types(code: &Code) -> BTreeMap<String, Option<String>> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let manifests = code.each().filter_map(|(relative, path, _)| {
        let folder = relative.strip_suffix("package.json")?;
        let is_it = folder.is_empty() || folder.ends_with('/');
        is_it.then_some((folder.trim_end_matches('/'), path))
    });
    let read = |path: &Path| {
        let manifest: Option<Manifest> = serde_json::from_slice(&std::fs::read(path).ok()?).ok();
        manifest?.kind
    };
    manifests
        .map(|(folder, path)| (folder.to_owned(), read(path)))
        .collect()
}

/// How Node takes a file; nothing for one that it does not run.
fn dialect(relative: &str, types: &BTreeMap<String, Option<String>>) -> Option<Dialect> {
    let (mut folder, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let (_, extension) = name.rsplit_once('.')?;
    // The nearest package.json counts, whether it says something or not.
    let nearest = loop {
        if let Some(found) = types.get(folder) {
            break found.as_deref();
        }
        if folder.is_empty() {
            break None;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    };
    Dialect::of(extension, nearest)
}

fn whole(hasher: &mut Sha256, mut file: File) -> io::Result<()> {
    let mut own = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => own.update(&piece[..read]),
        }
    }
    part(hasher, &own.finalize());
    Ok(())
}

fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn hex(hasher: Sha256) -> String {
    let hash = hasher.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_package_json_says_what_a_file_is() {
        let types = [("", Some("module")), ("a", None), ("a/b", Some("commonjs"))];
        let types = types.map(|(folder, kind)| (folder.to_owned(), kind.map(str::to_owned)));
        let types = BTreeMap::from(types);
        let kind = |path: &str| dialect(path, &types).map(|dialect| dialect.kind);
        assert_eq!(kind("x.js"), Some(Some(Kind::Module)));
        assert_eq!(kind("c/d/x.ts"), Some(Some(Kind::Module)));
        assert_eq!(kind("a/x.js"), Some(None));
        assert_eq!(kind("a/b/c/x.js"), Some(Some(Kind::CommonJs)));
        assert_eq!(kind("a/b/x.mjs"), Some(Some(Kind::Module)));
        assert_eq!(kind("x.json"), None);
        assert_eq!(kind("js"), None);
    }

    #[test]
    fn code_that_is_too_deep_to_be_written_by_hand_is_taken_whole() {
        let dialect = Dialect::of("js", None).unwrap();
        let deep = |depth: usize| format!("a{}{}", "[".repeat(depth), "0]".repeat(depth));
        assert!(skeleton("exports.a = () => 1", dialect).is_some());
        assert!(skeleton(&deep(100_000), dialect).is_none());
    }
}
