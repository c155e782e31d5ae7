//! The imports of sources of JavaScript and TypeScript.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::sources::EXTENSIONS;

/// Endings of what Node loads besides code.
const DATA: [&str; 3] = ["json", "node", "wasm"];

/// The name in an import or a `require`, or else a path beside `__dirname` or the module's URL.
static IMPORTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let module = r"\b(?:from|import|require(?:\.resolve)?)\s*\(?";
    let folder = r"(?:\bURL\s*\(|(?:__dirname|\bimport\.meta\.dirname)\s*[,+])";
    let text = r#"\s*["'`]([^"'`\n]{1,300})["'`]"#;
    Regex::new(&format!("{module}{text}|{folder}{text}")).ok()
});

/// Returns what a source names relative to itself, with a dot at its beginning.
pub(super) fn relative_imports(source: &str) -> Vec<String> {
    let found = IMPORTS.iter().flat_map(|regex| regex.captures_iter(source));
    let found = found.filter_map(|found| relative(&found));
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

/// The path that is named, with a dot at its beginning. `None` for the name of a package.
fn relative(found: &Captures<'_>) -> Option<String> {
    match (found.get(1), found.get(2)) {
        (Some(module), _) => Some(module.as_str().to_owned()).filter(|name| name.starts_with('.')),
        (_, Some(path)) if path.as_str().contains(':') => None,
        (_, Some(path)) => Some(format!("./{}", path.as_str().trim_start_matches('/'))),
        (None, None) => None,
    }
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
