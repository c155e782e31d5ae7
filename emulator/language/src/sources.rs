//! How packages and sources of a language are recognised.

/// How packages and sources of a language are recognised.
pub trait LanguageSources {
    /// The names of its kinds of sources, for people.
    fn source_title(&self) -> &'static str;

    /// The endings of its source files without the dot, in the order in which an entry is looked for.
    fn extensions(&self) -> &'static [&'static str];

    /// Returns whether a source file may hold functions, by its name.
    fn is_code(&self, name: &str) -> bool;

    /// The name, without ending, of a file that stands for its folder.
    fn index(&self) -> &'static str;

    /// The files that a manifest's entry may mean, relative to the package, the likeliest first.
    fn entry_candidates(&self, entry: &str) -> Vec<String>;

    /// The files that a source names relative to itself. A path that it reads, which may be a folder's,
    /// ends in `/`; imports never do.
    fn imports(&self, source: &str) -> Vec<String>;

    /// The files that an import of a path may mean, the likeliest first.
    fn import_candidates(&self, path: &str) -> Vec<String>;

    /// The files that have to appear in a folder before it has functions, for people.
    fn entries_awaited(&self) -> &'static str;

    /// The files that make a folder a package, for people.
    fn package_signs(&self) -> &'static str;

    /// How to write a first function, for people.
    fn first_function(&self) -> &'static str;
}
