//! A package's own scripts for an install.

use fnlocal_project::{CodeError, InstallScripts, MirroredFile, Package};
use serde_json::{Map, Value};

use super::super::manager::Manager;

/// The folder that a package with scripts is installed in.
pub(super) const FOLDER: &str = "package";
/// Puts what was installed where an install without scripts has it.
const MOVE_OUT: &str = "const fs = require('node:fs'); \
    if (fs.existsSync('node_modules')) fs.renameSync('node_modules', '../node_modules');";

/// The scripts, with the package they belong to.
#[derive(Clone, Debug)]
pub(super) struct OwnScripts {
    package: Package,
    scripts: InstallScripts,
    /// The files of the package that the scripts name.
    pub named: Vec<MirroredFile>,
}

impl OwnScripts {
    pub fn read(package: &Package) -> Result<Self, CodeError> {
        let scripts = InstallScripts::of(package);
        Ok(Self {
            named: scripts.named_files(package)?,
            package: package.clone(),
            scripts,
        })
    }

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

    /// All files of the package if any script runs.
    pub fn files(&self) -> Result<Vec<MirroredFile>, CodeError> {
        self.scripts.files(&self.package)
    }

    /// What is not done as on a person's disk.
    pub fn notes(&self, manager: &Manager) -> Vec<String> {
        let mut notes = Vec::new();
        let left_out = self.scripts.left_out.join("`, `");
        if !left_out.is_empty() {
            let why = match self
                .scripts
                .left_out
                .iter()
                .any(|name| name.contains("install"))
            {
                true => "scripts of a package that depends on others of the project do not run",
                false => "scripts for working copies do not run; `postinstall` does",
            };
            notes.push(format!("its `{left_out}` is left out: {why}"));
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
