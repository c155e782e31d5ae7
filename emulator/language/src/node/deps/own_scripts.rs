//! A package's own scripts for an install.

use serde_json::{Map, Value};

use super::super::manager::Manager;
use crate::{InstallScripts, MirroredFile};

/// The folder that a package with scripts is installed in.
pub(super) const FOLDER: &str = "package";
/// Puts what was installed where an install without scripts has it.
const MOVE_OUT: &str = "const fs = require('node:fs'); \
    if (fs.existsSync('node_modules')) fs.renameSync('node_modules', '../node_modules');";

/// The scripts, with the files of the package that they name.
#[derive(Clone, Debug)]
pub(super) struct OwnScripts {
    pub scripts: InstallScripts,
    pub named: Vec<MirroredFile>,
}

impl OwnScripts {
    /// Returns whether any script runs.
    pub fn run(&self) -> bool {
        !self.scripts.run.is_empty()
    }

    /// The field of package.json.
    pub fn field(&self) -> Value {
        let scripts = self.scripts.run.iter();
        let scripts = scripts.map(|(name, text)| (name.clone(), Value::String(text.clone())));
        Value::Object(Map::from_iter(scripts))
    }

    /// The differences from an install on a person's disk.
    pub fn notes(&self, manager: &Manager) -> Vec<String> {
        let mut notes = Vec::new();
        let left_out = &self.scripts.left_out;
        if !left_out.is_empty() {
            let why = match left_out.iter().any(|name| name.contains("install")) {
                true => "scripts of a package that depends on others of the project do not run",
                false => "scripts for working copies do not run; `postinstall` does",
            };
            notes.push(format!(
                "its `{}` is left out: {why}",
                left_out.join("`, `")
            ));
        }
        if self.run() && manager.keeps_development() {
            notes.push(
                "its devDependencies are installed too: Yarn before 4 cannot remove them without \
                 undoing what its scripts did"
                    .to_owned(),
            );
        }
        notes
    }
}

/// The step after the last.
pub(super) fn move_out() -> Vec<String> {
    ["node", "-e", MOVE_OUT].map(str::to_owned).to_vec()
}
