//! Names that never belong to code.

/// Returns whether a name never belongs to code: version control, installed packages, secrets, our
/// own state, and files editors keep while a person types.
#[must_use]
pub fn is_excluded(name: &str) -> bool {
    const NAMES: [&str; 6] = [".git", ".hg", ".svn", ".fnlocal", ".DS_Store", "4913"];
    const ENDS: [&str; 6] = [".swp", ".swo", ".swx", "~", "___jb_tmp___", "___jb_old___"];
    NAMES.contains(&name)
        || crate::all().any(|language| language.installed_folder() == name)
        || name.starts_with(".env")
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || ENDS.iter().any(|end| name.ends_with(end))
}
