//! A local folder as a bucket: what S3 would tell of an object, told of a file.
//!
//! The watch only hints: after each hint, and at the start, the folder is compared with its last
//! known state, which is kept in the queue's file in the same commit as the events. So a change
//! while no fnlocal runs is reported later, and nothing is reported twice. Of several changes
//! between two looks the last is reported, since a bucket without versions has no other either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use fnlocal_core::trigger::SourceSpec;

use super::SourceContext;
use crate::event::SourceEvent;
use crate::source::{Ingest, IngestedEvent, Source, SourceError};

/// Files are written in many steps; after the last hint they get this long.
const SETTLE: Duration = Duration::from_millis(50);
/// Looked at again after so long even without a hint: watches lose some under load.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Events in one commit.
const BATCH: usize = 100;

/// A folder whose files are a bucket's objects.
pub struct FolderSource {
    /// Where it is.
    pub path: PathBuf,
    /// The bucket's name in events.
    pub bucket: String,
}

impl FolderSource {
    /// Makes one of a folder in the project.
    pub(super) fn from_spec(
        spec: &SourceSpec,
        context: &SourceContext<'_>,
    ) -> Result<Self, String> {
        let bucket = spec.name.clone();
        let root = context.root.ok_or_else(|| {
            format!(
                "a node has no folder `{bucket}` to watch\n  \
                 hint: put its files into a bucket, and name the source `s3`"
            )
        })?;
        let path = root.join(&bucket);
        // A link may come with the repository.
        let leads_out = path.canonicalize().is_ok_and(|real| {
            root.canonicalize()
                .is_ok_and(|root| !real.starts_with(root))
        });
        if leads_out {
            return Err(format!(
                "the folder `{bucket}` leads out of the project by a link\n  \
                 hint: replace the link by a folder"
            ));
        }
        Ok(Self { path, bucket })
    }
}

/// Path and version of each object.
type Objects = BTreeMap<String, String>;

impl Source for FolderSource {
    fn name(&self) -> String {
        format!("folder {}", self.bucket)
    }

    fn read<'a>(
        &'a mut self,
        intake: &'a Ingest,
    ) -> Pin<Box<dyn Future<Output = Result<(), SourceError>> + 'a>> {
        Box::pin(self.watch(intake))
    }
}

impl FolderSource {
    async fn watch(&self, intake: &Ingest) -> Result<(), SourceError> {
        let (hint, mut hints) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<_>| {
            // Reading causes events as well: the look after each event would be the next one.
            if event.is_ok_and(|event: notify::Event| event.kind.is_access()) {
                return;
            }
            // One hint waiting says as much as many.
            let _full = hint.try_send(());
        })?;
        watcher.watch(&self.path, RecursiveMode::Recursive)?;
        let prefix = format!("{}\0", self.name());
        let mut known = Objects::default();
        if let Some(file) = intake.queue().file() {
            let prefix = prefix.clone();
            known.extend(file.read(move |file| file.notes(&prefix)).await?);
        }
        intake.reading();
        loop {
            let path = self.path.clone();
            let found = tokio::task::spawn_blocking(move || scan(&path)).await??;
            self.ingest_found(intake, &prefix, &mut known, found)
                .await?;
            tokio::select! {
                Some(()) = hints.recv() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            // Events that came while it settled are looked at now.
            let _one = hints.try_recv();
        }
    }

    async fn ingest_found(
        &self,
        intake: &Ingest,
        prefix: &str,
        known: &mut Objects,
        found: Objects,
    ) -> Result<(), SourceError> {
        let new = found
            .iter()
            .filter(|(key, version)| known.get(*key) != Some(version));
        let new = new.map(|(key, version)| (key.clone(), Some(version.clone())));
        let gone = known.keys().filter(|key| !found.contains_key(*key));
        let gone = gone.map(|key| (key.clone(), None));
        let changes: Vec<(String, Option<String>)> = new.chain(gone).collect();
        for batch in changes.chunks(BATCH) {
            let events = batch.iter().map(|(key, version)| {
                self.event(key, version.as_deref(), known.get(key).map(String::as_str))
            });
            let notes = batch
                .iter()
                .map(|(key, version)| (format!("{prefix}{key}"), version.clone()));
            intake.take(events.collect(), notes.collect()).await?;
            for (key, version) in batch {
                match version {
                    Some(version) => known.insert(key.clone(), version.clone()),
                    None => known.remove(key),
                };
            }
        }
        Ok(())
    }

    /// As S3's notifications look, as far as a folder can tell.
    fn event(&self, key: &str, version: Option<&str>, before: Option<&str>) -> IngestedEvent {
        let what = version.or(before).unwrap_or_default();
        let mut numbers = what.split(' ');
        let nanos: u128 = numbers
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let size: u64 = numbers
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let (kind, name) = match version {
            Some(_) => ("com.amazonaws.s3.objectcreated.put", "ObjectCreated:Put"),
            None => (
                "com.amazonaws.s3.objectremoved.delete",
                "ObjectRemoved:Delete",
            ),
        };
        let data = serde_json::json!({
            "eventSource": "fnlocal:folder",
            "eventName": name,
            "s3": {
                "bucket": { "name": self.bucket },
                "object": { "key": key, "size": size },
            },
        });
        let id = format!("{name} {key} {what}");
        IngestedEvent {
            event: SourceEvent {
                id: id.clone(),
                source: format!("fnlocal:folder:{}", self.bucket),
                kind: kind.to_owned(),
                subject: Some(key.to_owned()),
                time_ms: version.and_then(|_| u64::try_from(nanos / 1_000_000).ok()),
                content_type: "application/json".to_owned(),
                data: Bytes::from(data.to_string()),
            },
            key: id,
            order: Some(key.to_owned()),
        }
    }
}

/// All files below a folder with time and size, names with `/` between their parts. Hidden ones
/// and half-written ones of editors begin with a dot and are none.
fn scan(root: &Path) -> std::io::Result<Objects> {
    let mut objects = Objects::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                // Gone since the folder was read.
                continue;
            };
            let path = entry.path();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                let parts = path.strip_prefix(root).unwrap_or(&path).components();
                let parts = parts.map(|part| part.as_os_str().to_string_lossy());
                let key = parts.collect::<Vec<_>>().join("/");
                let changed = metadata.modified()?.duration_since(UNIX_EPOCH);
                let nanos = changed.map_or(0, |since| since.as_nanos());
                objects.insert(key, format!("{nanos} {}", metadata.len()));
            }
        }
    }
    Ok(objects)
}
