//! The programs that run the code, and what they are given of the person's environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fnlocal_files::OwnPath;
use fnlocal_language::{Interpreter, Language};
use fnlocal_project::programs;
use tokio::sync::Mutex;

use super::ProcessError;

/// The little of the person's environment that a program needs to work at all.
pub(super) fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    let needed = ["PATH", "HOME", "LANG", "SystemRoot", "TEMP"];
    needed
        .into_iter()
        .filter_map(|key| Some((key, std::env::var_os(key)?)))
}

/// The programs of a language that an instance runs.
#[derive(Clone, Debug)]
pub struct InstanceProgram {
    /// Installed dependencies depend on it too.
    pub interpreter: Interpreter,
    /// The wrapper's file.
    pub(super) wrapper: PathBuf,
}

/// The programs that instances of a project run, found when the first of a language needs them.
#[derive(Debug)]
pub struct InstancePrograms {
    state: PathBuf,
    found: Mutex<BTreeMap<&'static str, Arc<InstanceProgram>>>,
}

impl InstancePrograms {
    /// `state` is the project's `.fnlocal`, where wrappers are put.
    #[must_use]
    pub fn new(state: PathBuf) -> Self {
        let found = Mutex::default();
        Self { state, found }
    }

    /// Finds the interpreter of a language in `PATH` and writes its wrapper, once.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn of(
        &self,
        language: &'static dyn Language,
    ) -> Result<Arc<InstanceProgram>, ProcessError> {
        let mut found = self.found.lock().await;
        if let Some(known) = found.get(language.word()) {
            return Ok(Arc::clone(known));
        }
        let program = Arc::new(InstanceProgram {
            interpreter: find(language).await?,
            wrapper: self.write_wrapper(language)?,
        });
        found.insert(language.word(), Arc::clone(&program));
        Ok(program)
    }

    fn write_wrapper(&self, language: &dyn Language) -> Result<PathBuf, ProcessError> {
        let fail = |path: &std::path::Path| {
            let path = path.to_owned();
            move |source| ProcessError::Io { path, source }
        };
        let state = OwnPath::new(&self.state);
        let wrapper = language.wrapper();
        let file = state.join(wrapper.file);
        state.make_folder().map_err(fail(&self.state))?;
        if file.read().ok().as_deref() != Some(wrapper.bytes) {
            file.write(wrapper.bytes).map_err(fail(file.path()))?;
        }
        Ok(file.path().to_owned())
    }
}

async fn find(language: &'static dyn Language) -> Result<Interpreter, ProcessError> {
    let found = programs::find(language.program());
    let program = found.clone().unwrap_or_else(|| language.program().into());
    let fail = |why: String| ProcessError::NoInterpreter {
        language,
        program: program.clone(),
        why,
    };
    let Some(found) = found else {
        return Err(fail("no folder of PATH has it".to_owned()));
    };
    let asked = programs::ask(&found, language).await;
    let asked = asked.map_err(|error| fail(error.to_string()))?;
    asked.map_err(fail)
}
