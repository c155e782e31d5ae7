//! The languages that functions are written in.
//!
//! All that is one language's alone stands here, behind [`Language`]: how its packages, sources and
//! dependencies are recognised, what its images stand on, how an instance is started, and what its
//! errors look like. Every other crate asks the trait. The duties of a program inside an instance
//! are the instance protocol's, which is the same for all languages.
//!
//! A language answers with facts and pure functions. A language reads files of the project through
//! `fnlocal-files` at most; it starts nothing and asks no network. Callers do that with what it says.
#![warn(clippy::disallowed_macros)]

mod base;
mod excluded;
mod inputs;
mod install;
mod node;
mod plan;
mod run;
mod sources;
mod template;
mod texts;

use std::fmt;
use std::path::Path;

pub use base::{HostTool, LanguageBase};
pub use excluded::is_excluded;
pub use inputs::{
    InputPlaces, InstallInputs, InstallScripts, LanguageInputs, NamedInput, script_words,
};
pub use install::{LanguageInstall, LockfileName, ManifestFacts, ManifestFault};
pub use node::{InspectPaths, LocalDependencies, LocalError};
pub use plan::{
    HostEnvironment, HostSettings, INSTALL_WORK, InstallFileError, InstallPlan, InstallRequest,
    InstallScript, MirroredFile,
};
pub use run::{Interpreter, LanguageRun, Wrapper};
pub use sources::LanguageSources;
pub use template::{StarterTemplate, template};
pub use texts::LanguageTexts;

/// A language that functions are written in.
pub trait Language:
    LanguageSources
    + LanguageInstall
    + LanguageInputs
    + LanguageBase
    + LanguageRun
    + LanguageTexts
    + fmt::Debug
    + Send
    + Sync
{
    /// The word for it in files and labels. Never changes: releases bear it.
    fn word(&self) -> &'static str;

    /// The name of its runtime, for people.
    fn title(&self) -> &'static str;
}

impl PartialEq for dyn Language {
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word()
    }
}

impl Eq for dyn Language {}

/// All languages, in the order in which a folder is asked which one it is written in.
static LANGUAGES: [&dyn Language; 1] = [&node::NodeJs];

/// Returns all languages, the usual one first.
pub fn all() -> impl Iterator<Item = &'static dyn Language> {
    LANGUAGES.into_iter()
}

/// Returns the language of what does not say its language: releases of older versions, folders
/// without functions, and bases that no package asks for.
#[must_use]
pub fn usual() -> &'static dyn Language {
    LANGUAGES[0]
}

/// Returns the language of a word that [`Language::word`] gave.
#[must_use]
pub fn by_word(word: &str) -> Option<&'static dyn Language> {
    all().find(|language| language.word() == word)
}

/// Returns the language of a source file, by its name.
#[must_use]
pub fn of_source(path: &str) -> Option<&'static dyn Language> {
    let (_, ending) = path.rsplit_once('.')?;
    all().find(|language| language.extensions().contains(&ending))
}

/// Returns the language of a file that may hold functions, by its name.
#[must_use]
pub fn of_code(name: &str) -> Option<&'static dyn Language> {
    of_source(name).filter(|language| language.is_code(name))
}

/// Returns whether a file may hold functions, by its name.
#[must_use]
pub fn is_code(name: &str) -> bool {
    of_code(name).is_some()
}

/// Returns whether a file is a package's manifest in any language, by its name.
#[must_use]
pub fn is_manifest(name: &str) -> bool {
    all().any(|language| language.manifest() == name)
}

/// Returns the language of a folder that has a manifest.
#[must_use]
pub fn of_manifest(folder: &Path) -> Option<&'static dyn Language> {
    all().find(|language| folder.join(language.manifest()).is_file())
}

/// Returns a line of a stack without its place in the file. `None` if it is no frame in any language.
#[must_use]
pub fn stack_frame(line: &str) -> Option<&str> {
    all().find_map(|language| language.stack_frame(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_found_by_its_word_its_manifest_and_its_sources() {
        for language in all() {
            assert_eq!(by_word(language.word()), Some(language));
            assert!(is_manifest(language.manifest()), "{language:?}");
            let index = format!("{}.{}", language.index(), language.extensions()[0]);
            assert_eq!(of_code(&index), Some(language), "{index}");
        }
        assert_eq!(by_word("cobol"), None);
        assert_eq!(of_source("notes.txt"), None);
    }

    #[test]
    fn words_manifests_and_lock_files_belong_to_one_language() {
        let mut names: Vec<&str> = all()
            .flat_map(|language| {
                let locks = language.lockfiles().iter().map(|lock| lock.name);
                locks.chain([language.word(), language.manifest()])
            })
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
