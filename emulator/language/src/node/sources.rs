//! Sources of JavaScript and TypeScript.

use super::{NodeJs, imports};
use crate::LanguageSources;

/// Endings of files Node runs, in the order an entry is looked for.
pub(super) const EXTENSIONS: [&str; 8] = ["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx"];

impl LanguageSources for NodeJs {
    fn source_title(&self) -> &'static str {
        "JavaScript or TypeScript"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &EXTENSIONS
    }

    fn is_code(&self, name: &str) -> bool {
        let Some((stem, ending)) = name.rsplit_once('.') else {
            return false;
        };
        EXTENSIONS.contains(&ending)
            && !stem.starts_with(['.', '_'])
            && ![".d", ".test", ".spec"]
                .iter()
                .any(|end| stem.ends_with(end))
    }

    fn index(&self) -> &'static str {
        "index"
    }

    /// As Node finds it: the file, with an ending, or a folder's index.
    fn entry_candidates(&self, entry: &str) -> Vec<String> {
        let endings = EXTENSIONS.iter().map(|ending| format!("{entry}.{ending}"));
        let inside = EXTENSIONS
            .iter()
            .map(|ending| format!("{entry}/index.{ending}"));
        let all = std::iter::once(entry.to_owned());
        all.chain(endings).chain(inside).collect()
    }

    fn imports(&self, source: &str) -> Vec<String> {
        imports::relative_imports(source)
    }

    fn import_candidates(&self, path: &str) -> Vec<String> {
        imports::candidates(path)
    }

    fn entries_awaited(&self) -> &'static str {
        "an index.js, files in functions/, or a package.json with `main`"
    }

    fn package_signs(&self) -> &'static str {
        "a package.json `main`, an index.js or functions/*.js"
    }

    fn first_function(&self) -> &'static str {
        "make an index.js with\n\n    exports.hello = (req, res) => \
         res.json({ hello: \"world\" });\n\nor put files that export functions into functions/"
    }
}
