//! A language's own texts: what its runtime prints, and the advice for people.

use crate::StarterTemplate;

/// A language's own texts: what its runtime prints, and the advice for people.
pub trait LanguageTexts {
    /// Returns whether a line says that the runtime itself ran out of memory.
    fn tells_out_of_memory(&self, line: &str) -> bool;

    /// Returns a line of a stack without its place in the file. `None` if it is no frame.
    fn stack_frame<'a>(&self, line: &'a str) -> Option<&'a str>;

    /// The files that projects begin with.
    fn templates(&self) -> &'static [StarterTemplate];

    /// The advice for a dependency that links out of the folder of installed ones.
    fn outside_hint(&self) -> &'static str;

    /// The way to run functions where the interpreter is missing.
    fn no_program_hint(&self) -> &'static str;

    /// Why to install the interpreter, for a check of the machine.
    fn install_advice(&self) -> &'static str;

    /// The features that an interpreter of this version lacks. `None` if it lacks nothing.
    fn version_advice(&self, version: &str) -> Option<&'static str>;
}
