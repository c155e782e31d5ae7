//! Node.js: JavaScript and TypeScript.

mod base;
mod deps;
mod imports;
mod inputs;
mod inspect_paths;
mod install;
mod local;
mod manager;
mod manifest;
mod npm;
mod run;
mod sources;
mod templates;
mod texts;

pub use inspect_paths::InspectPaths;
pub use local::{LocalDependencies, LocalError};

/// Node.js.
#[derive(Debug)]
pub(crate) struct NodeJs;

impl crate::Language for NodeJs {
    fn word(&self) -> &'static str {
        "node"
    }

    fn title(&self) -> &'static str {
        "Node.js"
    }
}
