//! Sources, made by what a configuration says of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::trigger::{SourceKind, SourceSpec};
use fnlocal_triggers::queue::Queue;
use fnlocal_triggers::source::{Ingest, Source, keep};
use fnlocal_triggers::sources::{FolderSource, Postgres, RedisStream};
use tokio::task::{JoinHandle, spawn_local};

use super::report;
use fnlocal_driver::Function;
use fnlocal_logs::Logs;
use fnlocal_project::ShellVariables;

/// Makes a source of a kind that is not known here, with its URL if it has one; none if it is not
/// known there either.
pub type MakeSource = fn(&SourceSpec, Option<&str>) -> Option<Box<dyn Source>>;

/// Entries of a Redis stream that a node was given and has not acknowledged for so long are taken
/// over by another.
const ABANDONED: Duration = Duration::from_secs(60);

/// What sources are made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The project's folder, to which folders are relative; none where there is none.
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
    /// A source of a function; the error is for people.
    pub fn make(&self, spec: &SourceSpec, function: &Function) -> Result<Box<dyn Source>, String> {
        let url = self.url(spec, function)?;
        let need = || {
            let word = spec.source.word();
            let none = || format!("its source of kind `{word}` has no URL");
            let url = url.clone().ok_or_else(none)?;
            if wants_tls(&url) {
                let hint = "reach it by a private network, a unix socket, or a proxy that does TLS";
                let what = format!("its source `{}` is at a URL that asks for TLS", spec.name);
                return Err(format!("{what}, which is not supported\n  hint: {hint}"));
            }
            Ok(url)
        };
        let name = spec.name.clone();
        let batch = spec.batch as usize;
        Ok(match spec.source {
            SourceKind::Folder => {
                let hint = "put its files into a bucket, and name the source `s3`";
                let none = || format!("a node has no folder `{name}` to watch\n  hint: {hint}");
                let root = self.root.as_ref().ok_or_else(none)?;
                let path = root.join(&name);
                // A link may come with the repository.
                let leads_out = path.canonicalize().is_ok_and(|real| {
                    root.canonicalize()
                        .is_ok_and(|root| !real.starts_with(root))
                });
                if leads_out {
                    let hint = "replace the link by a folder";
                    return Err(format!(
                        "the folder `{name}` leads out of the project by a link\n  hint: {hint}"
                    ));
                }
                Box::new(FolderSource { path, bucket: name })
            }
            SourceKind::Redis => Box::new(RedisStream {
                url: need()?,
                stream: name,
                group: spec.group.clone().unwrap_or_else(|| self.project.clone()),
                batch,
                abandoned: ABANDONED,
            }),
            SourceKind::Postgres => Box::new(Postgres {
                url: need()?,
                channel: name,
                outbox: spec.outbox.clone(),
                batch,
            }),
            SourceKind::Sqs | SourceKind::S3 => {
                let made = self.more.and_then(|make| make(spec, url.as_deref()));
                let word = spec.source.word();
                made.ok_or_else(|| {
                    let hint = "install or build one with it: `--features aws`";
                    format!(
                        "sources of kind `{word}` need `aws`, which this fnlocal was built \
                         without\n  hint: {hint}"
                    )
                })?
            }
        })
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

/// Whether a server is to be talked to by TLS only.
fn wants_tls(url: &str) -> bool {
    let modes = ["require", "verify-ca", "verify-full"];
    let asked = modes.map(|mode| format!("sslmode={mode}"));
    url.starts_with("rediss:") || asked.iter().any(|asked| url.contains(asked))
}

/// A source that is read until this is dropped.
pub(super) struct RunningSource {
    pub intake: Rc<Ingest>,
    task: JoinHandle<()>,
}

impl RunningSource {
    pub fn begin(
        source: Box<dyn Source>,
        queue: &Rc<Queue>,
        kind: SourceKind,
        function: &Function,
        logs: Logs,
    ) -> Self {
        let settings = &function.settings;
        let intake = Rc::new(Ingest::new(
            Rc::clone(queue),
            source.name(),
            function.name.to_string(),
            kind.into(),
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

#[cfg(test)]
mod tests {
    use super::wants_tls;

    #[test]
    fn a_url_that_asks_for_tls_is_not_taken_for_one_that_does_without() {
        assert!(wants_tls("rediss://db:6380"));
        assert!(wants_tls("postgres://u@db/app?sslmode=require"));
        assert!(wants_tls("host=db sslmode=verify-full"));
        assert!(!wants_tls("redis://db"));
        assert!(!wants_tls("postgres://u@db/app?sslmode=prefer"));
    }
}
