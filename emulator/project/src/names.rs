//! What may be a name.

/// What a function may be called.
pub(super) const RULE: &str = "a function's name is a letter or underscore, then at most 63 letters, digits, underscores or hyphens, and does not begin with _fnlocal";
/// What a project may be called.
pub(super) const PROJECT_RULE: &str = "a project's name is a letter or digit, then at most 62 letters, digits, underscores or hyphens";

/// The longest name of a function, in bytes.
pub const MAX_FUNCTION_NAME: usize = 64;

pub(super) fn is_function(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= MAX_FUNCTION_NAME
        && !name.starts_with("_fnlocal")
}

/// The maximum length of a variable's name, in bytes.
const MAX_VARIABLE_BYTES: usize = 256;

pub(super) fn is_project(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && name.len() <= 63
}

pub(super) fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    name.len() <= MAX_VARIABLE_BYTES
        && letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A name fit for folders, labels and image repositories: lower case, `-` for all else.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.trim_start_matches('@').chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "package".to_owned()
    } else {
        slug.chars().take(60).collect()
    }
}
