//! How an instance of a language is started.

use std::path::PathBuf;

use crate::InspectPaths;

/// An interpreter on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    pub path: PathBuf,
    pub version: String,
}

/// The program inside an instance, which speaks the instance protocol and calls the code.
#[derive(Clone, Copy, Debug)]
pub struct Wrapper {
    /// Its file's name, for a copy of it outside of images.
    pub file: &'static str,
    /// Its place in images.
    pub path: &'static str,
    pub bytes: &'static [u8],
}

/// How an instance of a language is started.
pub trait LanguageRun {
    /// The name of the interpreter's program.
    fn program(&self) -> &'static str;

    /// The program that runs inside an instance.
    fn wrapper(&self) -> Wrapper;

    /// The interpreter's arguments before the wrapper that keep it within a memory limit.
    fn memory_arguments(&self, memory_mib: u32) -> Vec<String>;

    /// The arguments by which the interpreter tells its own path and version. A version manager's shim
    /// tells what it starts.
    fn version_question(&self) -> &'static [&'static str];

    /// Reads the answer. `None` if it is none.
    fn read_version(&self, answer: &str) -> Option<Interpreter>;

    /// A command that removes folders and files of a volume, in a container of the base.
    fn removal(&self, paths: Vec<String>) -> Vec<String>;

    /// The words of a wrapper that does not know an argument and ends.
    fn unknown_argument(&self, argument: &str) -> String;

    /// The port that debuggers look at first.
    fn debug_port(&self) -> u16;

    /// Translates files' names in a debugger's messages. `inside` is where an instance sees the code,
    /// `outside` where the person has it, both with a slash at the end.
    fn inspect_paths(&self, inside: &str, outside: &str) -> InspectPaths;

    /// The command of an image: the wrapper, without arguments.
    fn entrypoint(&self) -> Vec<String> {
        let wrapper = self.wrapper();
        vec![self.program().to_owned(), wrapper.path.to_owned()]
    }
}
