//! The imports of sources of JavaScript and TypeScript.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::sources::EXTENSIONS;

/// Endings of what Node loads besides code.
const DATA: [&str; 3] = ["json", "node", "wasm"];

/// The maximum length in bytes of a path that is named.
const MAX_PATH_BYTES: usize = 4096;

/// The name in an import or a `require`; or else a path beside the module's URL, or the texts that
/// are joined to `__dirname`. Repetitions are not counted: a count of hundreds costs megabytes.
static IMPORTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r#"\s*["'`]([^"'`\n]+)["'`]"#;
    let module = r"\b(?:from|import|require(?:\.resolve)?)\s*\(?";
    let url = r"\bURL\s*\(";
    let folder = r"(?:__dirname|\bimport\.meta\.dirname)";
    let joined = r#"((?:\s*[,+]\s*["'`][^"'`\n]+["'`])+)"#;
    let inside = r#"\$\{\s*(?:__dirname|import\.meta\.dirname)\s*\}([^"'`$\n]+)"#;
    let all = format!("{module}{text}|{url}{text}|{folder}{joined}|{inside}");
    Regex::new(&all).ok()
});

/// Ends a path that code reads, which may be a folder's. Imports never end so.
const READ: char = '/';

/// Returns what a source names relative to itself, with a dot at its beginning.
pub(super) fn relative_imports(source: &str) -> Vec<String> {
    let found = IMPORTS.iter().flat_map(|regex| regex.captures_iter(source));
    let found = found.filter_map(|found| relative(&found));
    let found = found.filter(|path| path.len() <= MAX_PATH_BYTES);
    // Node passes what follows to the module.
    let path = |import: String| {
        import
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    found.map(path).collect()
}

/// The path that is named, with a dot at its beginning; one that is read ends in [`READ`]. `None` for
/// the name of a package.
fn relative(found: &Captures<'_>) -> Option<String> {
    let at = |group: usize| found.get(group).map(|found| found.as_str());
    if let Some(module) = at(1) {
        return module
            .starts_with('.')
            .then(|| module.trim_end_matches(READ).to_owned());
    }
    let path = match (at(2), at(3), at(4)) {
        (Some(url), _, _) if url.contains(':') => return None,
        (Some(path), _, _) | (_, _, Some(path)) => path.to_owned(),
        (_, Some(texts), _) => joined(texts),
        _ => return None,
    };
    Some(format!("./{}{READ}", path.trim_matches('/')))
}

/// The path of quoted texts with commas or plus signs between them.
fn joined(texts: &str) -> String {
    let quoted = texts.split(['"', '\'', '`']).skip(1).step_by(2);
    quoted
        .map(|text| text.trim_matches('/'))
        .collect::<Vec<_>>()
        .join("/")
}

/// Returns the files that an import of a path may mean, the likeliest first.
pub(super) fn candidates(target: &str) -> Vec<String> {
    let mut candidates = vec![target.to_owned()];
    // TypeScript names what a file will be compiled to.
    if let Some((stem, ending)) = target.rsplit_once('.') {
        let source = ending.replacen("js", "ts", 1);
        if source != ending {
            candidates.push(format!("{stem}.{source}"));
        }
    }
    let endings = || EXTENSIONS.into_iter().chain(DATA);
    candidates.extend(endings().map(|ending| format!("{target}.{ending}")));
    candidates.extend(endings().map(|ending| format!("{target}/index.{ending}")));
    candidates
}
