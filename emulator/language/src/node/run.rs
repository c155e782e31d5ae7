//! How Node.js is started.

use super::{InspectPaths, NodeJs};
use crate::{Interpreter, LanguageRun, Wrapper};

/// Part of the memory that V8's heap may take; the rest is for buffers, code and the wrapper.
const HEAP_PERCENT: u32 = 85;
/// The smallest heap, in MiB.
const MIN_HEAP_MIB: u32 = 16;
const REMOVE: &str = "for (const path of process.argv.slice(1)) \
                      require('node:fs').rmSync(path, { recursive: true, force: true })";

impl LanguageRun for NodeJs {
    fn program(&self) -> &'static str {
        "node"
    }

    fn wrapper(&self) -> Wrapper {
        Wrapper {
            file: "runner.cjs",
            path: "/fnlocal/runner.cjs",
            bytes: fnlocal_bundles::RUNNER,
        }
    }

    /// V8's heap limit for a memory limit.
    fn memory_arguments(&self, memory_mib: u32) -> Vec<String> {
        let heap = u64::from(memory_mib) * u64::from(HEAP_PERCENT) / 100;
        let heap = heap.max(u64::from(MIN_HEAP_MIB));
        vec![format!("--max-old-space-size={heap}")]
    }

    fn version_question(&self) -> &'static [&'static str] {
        &["-p", "process.execPath + '\\n' + process.version"]
    }

    fn read_version(&self, answer: &str) -> Option<Interpreter> {
        let mut lines = answer.lines();
        let (path, version) = (lines.next()?, lines.next()?);
        Some(Interpreter {
            path: path.into(),
            version: version.to_owned(),
        })
    }

    fn removal(&self, paths: Vec<String>) -> Vec<String> {
        let command = [self.program(), "-e", REMOVE].map(str::to_owned);
        command.into_iter().chain(paths).collect()
    }

    fn unknown_argument(&self, argument: &str) -> String {
        format!("Unknown option '{argument}'")
    }

    fn debug_port(&self) -> u16 {
        9229
    }

    fn inspect_paths(&self, inside: &str, outside: &str) -> InspectPaths {
        InspectPaths::new(inside, outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_a_part_of_the_memory_and_never_tiny() {
        assert_eq!(NodeJs.memory_arguments(256), ["--max-old-space-size=217"]);
        assert_eq!(NodeJs.memory_arguments(1), ["--max-old-space-size=16"]);
        let most = NodeJs.memory_arguments(u32::MAX);
        assert_eq!(most, ["--max-old-space-size=3650722200"]);
    }

    #[test]
    fn an_answer_without_a_version_is_none() {
        let found = NodeJs.read_version("/usr/bin/node\nv22.1.0\n").unwrap();
        assert_eq!(found.path, std::path::Path::new("/usr/bin/node"));
        assert_eq!(found.version, "v22.1.0");
        assert_eq!(NodeJs.read_version("no such command\n"), None);
        assert_eq!(NodeJs.read_version(""), None);
    }
}
