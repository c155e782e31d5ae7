//! Sources, made by what a configuration says of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use fnlocal_core::trigger::{SourceKind, SourceSpec};
use fnlocal_triggers::job::Trigger;
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::source::{Ingest, Source, keep};
use fnlocal_triggers::sources::{MakeSource, SourceContext};
use tokio::task::{JoinHandle, spawn_local};

use super::report;
use fnlocal_driver::Function;
use fnlocal_logs::Logs;
use fnlocal_project::ShellVariables;

/// The parts from which sources are made.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The project's folder, to which folders are relative; `None` if there is none.
    pub root: Option<PathBuf>,
    /// The project's name, the consumer group where none is said.
    pub project: String,
    /// Variables of all functions.
    pub env: BTreeMap<String, String>,
    /// Variables that sources may take from the shell.
    pub shell: ShellVariables,
    /// Makes what needs an SDK of a cloud.
    pub more: Option<MakeSource>,
}

impl Sources {
    /// Makes a source of a function. The error is for people.
    pub fn make(&self, spec: &SourceSpec, function: &Function) -> Result<Box<dyn Source>, String> {
        let url = self.url(spec, function)?;
        let context = SourceContext {
            root: self.root.as_deref(),
            project: &self.project,
            url: url.as_deref(),
            more: self.more,
        };
        context.make(spec)
    }

    /// The URL of a source, if it has one; the error is for people.
    pub fn url(&self, spec: &SourceSpec, function: &Function) -> Result<Option<String>, String> {
        let Some(variable) = &spec.url_env else {
            return Ok(spec.url.clone());
        };
        let own = function
            .env
            .get(variable)
            .or_else(|| self.env.get(variable));
        let found = own.cloned().or_else(|| self.shell.get(variable));
        let found = found.filter(|value| !value.is_empty());
        found.map(Some).ok_or_else(|| {
            format!(
                "its source `{}` is at the URL in {variable}, which is not set\n  \
                 hint: set it in .env, or in the shell and name it in fnlocal.toml",
                spec.name
            )
        })
    }
}

/// A source that is read until this is dropped.
pub(super) struct RunningSource {
    pub intake: Rc<Ingest>,
    task: JoinHandle<()>,
}

impl RunningSource {
    pub fn begin(
        source: Box<dyn Source>,
        queue: &Rc<dyn JobQueue>,
        kind: SourceKind,
        function: &Function,
        logs: Logs,
    ) -> Self {
        let settings = &function.settings;
        let intake = Rc::new(Ingest::new(
            Rc::clone(queue),
            source.name(),
            function.name.to_string(),
            Trigger::Source(kind),
            settings.triggers.delivery.clone(),
            settings.body_limit,
        ));
        let task = spawn_local(keep(source, Rc::clone(&intake), report(logs)));
        Self { intake, task }
    }
}

impl Drop for RunningSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}
