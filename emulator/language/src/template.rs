//! The files that a project begins with.

/// The files that a project begins with.
#[derive(Clone, Copy, Debug)]
pub struct StarterTemplate {
    /// Its word on the command line.
    pub word: &'static str,
    /// Paths in the project, and texts in which `{{name}}` is the project's name.
    pub files: &'static [(&'static str, &'static str)],
    /// A function in it.
    pub function: &'static str,
}

/// Returns the template of a word.
#[must_use]
pub fn template(word: &str) -> Option<&'static StarterTemplate> {
    let mut all = crate::all().flat_map(|language| language.templates());
    all.find(|template| template.word == word)
}
