//! The file that an import means, by TypeScript's rules, among the files of a package.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::facts::Usage;
use crate::paths::{folder, normal};
use crate::tsconfig::CompilerOptions;

/// Endings that may be left out, in order.
const ENDINGS: [&str; 9] = [
    ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json",
];
/// Endings that Node.js tries for `require`.
const NODE_ENDINGS: [&str; 3] = [".js", ".json", ".node"];
/// Endings that an import writes, and those of the sources it means.
const WRITTEN: [(&str, &[&str]); 4] = [
    (".js", &[".ts", ".tsx", ".jsx"]),
    (".mjs", &[".mts"]),
    (".cjs", &[".cts"]),
    (".jsx", &[".tsx"]),
];

/// A file of the package that an import means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    pub path: String,
    /// Node.js finds it by the specifier as it is.
    pub exact: bool,
}

/// The files of a package, to look imports up among.
pub(crate) struct Files<'a> {
    /// The package's folder on this machine.
    pub root: &'a Path,
    pub paths: &'a BTreeSet<Arc<str>>,
}

impl Files<'_> {
    /// Finds the file of the package that a specifier means; `None` for packages, and for what is
    /// not there.
    pub fn find(
        &self,
        specifier: &str,
        from: &str,
        usage: Usage,
        options: &CompilerOptions,
    ) -> Option<Meant> {
        let specifier = specifier.split(['?', '#']).next().unwrap_or_default();
        let relative = ["./", "../"]
            .iter()
            .any(|start| specifier.starts_with(start));
        if relative || specifier == "." || specifier == ".." {
            return self.relative(&Path::new(folder(from)).join(specifier), usage);
        }
        if specifier.starts_with('/') || specifier.contains(':') {
            return None;
        }
        let mapped = options.candidates(specifier);
        mapped.into_iter().find_map(|candidate| {
            let inside = normal(&candidate)?;
            let inside = inside.strip_prefix(self.root).ok()?;
            let meant = self.relative(inside, usage)?;
            Some(Meant {
                exact: false,
                ..meant
            })
        })
    }

    /// The file of the package that `#name` of a package.json in `folder` stands for.
    pub fn imported(&self, target: &str, folder: &str) -> Option<Meant> {
        self.relative(&Path::new(folder).join(target), Usage::Import)
    }

    fn relative(&self, path: &Path, usage: Usage) -> Option<Meant> {
        let path = normal(path)?;
        let path = path.to_str()?;
        let found = |path: String, exact: bool| {
            self.paths
                .contains(path.as_str())
                .then_some(Meant { path, exact })
        };
        let with = |stem: &str, ending: &&str| format!("{stem}{ending}");
        if let Some(meant) = found(path.to_owned(), true) {
            return Some(meant);
        }
        for (written, sources) in WRITTEN {
            let stem = path.strip_suffix(written);
            let source = stem.and_then(|stem| {
                let mut sources = sources.iter();
                sources.find_map(|ending| found(with(stem, ending), false))
            });
            if source.is_some() {
                return source;
            }
        }
        let index = if path.is_empty() {
            "index".to_owned()
        } else {
            format!("{path}/index")
        };
        let stems = [path, index.as_str()];
        if usage == Usage::Require {
            // Sources that Node.js does not know come after what it does.
            let mut stems = stems.iter();
            let known = stems.find_map(|stem| {
                let mut endings = NODE_ENDINGS.iter();
                endings.find_map(|ending| found(with(stem, ending), true))
            });
            if known.is_some() {
                return known;
            }
        }
        stems.iter().find_map(|stem| {
            let mut endings = ENDINGS.iter();
            endings.find_map(|ending| found(with(stem, ending), false))
        })
    }
}
