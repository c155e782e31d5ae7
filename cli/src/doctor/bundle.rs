//! `fnlocal doctor --bundle`: a file for a bug report, which its sender can read before sending it.
//!
//! Contents are chosen field by field, and free text goes through [`Redactor`] besides. Without
//! `--with-output`, nothing that a function chose the words of is in it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use fnlocal_emulator::doctor::{Finding, FindingState, engine_facts};
use fnlocal_files::OwnPath;
use fnlocal_logs::document::{DocumentKind, LogDocument};
use fnlocal_logs::query::Query;
use fnlocal_project::{Project, ProjectError, Running};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::redact::{REMOVED, Redactor, config};
use crate::diagnosis::file;
use crate::running::{self, RunningView};

/// The version of the bundle's format.
const SCHEMA: u32 = 1;
/// The maximum number of records of each kind.
const MAX_RECORDS: usize = 200;
/// The maximum size of the diagnosis in the bundle, in bytes.
const MAX_DIAGNOSIS_BYTES: u64 = 256 << 10;
/// Events of the platform whose text quotes code or what it printed.
const QUOTING: [&str; 4] = ["error", "import_failed", "died", "start_failed"];

/// The sources of a bundle.
pub struct Bundle<'a> {
    pub folder: &'a Path,
    pub findings: &'a [Finding],
    /// `true` if the bundle includes functions' output.
    pub with_output: bool,
}

impl Bundle<'_> {
    /// Gathers it, and writes it to `to` with mode 0600. Returns its size in bytes.
    pub async fn write(&self, to: &Path) -> std::io::Result<usize> {
        let bundle = self.gather().await;
        let text = format!("{bundle:#}\n");
        let to = std::path::absolute(to)?;
        // Beside it, private, and then in place of what has the name, even if that is a link.
        let mut beside = NamedTempFile::new_in(to.parent().unwrap_or(&to))?;
        beside.write_all(text.as_bytes())?;
        beside.persist(&to)?;
        Ok(text.len())
    }

    async fn gather(&self) -> Value {
        let project = Project::open(self.folder, None);
        let root = file::project(self.folder);
        let state = OwnPath::new(&root.join(fnlocal_files::STATE_DIR));
        let running = Running::find(&root).ok();
        let redactor = Redactor::new(&root, project.as_ref().ok(), running.as_ref());
        let logs = state.path().join("logs");
        let mut records = Vec::new();
        for kind in [
            DocumentKind::Invocation,
            DocumentKind::Platform,
            DocumentKind::Line,
        ] {
            if kind != DocumentKind::Line || self.with_output {
                records.extend(self.records(&logs, kind));
            }
        }
        let mut bundle = json!({
            "bundle": SCHEMA,
            "made": crate::run::now(),
            "fnlocal": {
                "version": env!("CARGO_PKG_VERSION"),
                "system": std::env::consts::OS,
                "architecture": std::env::consts::ARCH,
                "cpus": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
            },
            "doctor": self.findings.iter().map(|one| finding(one, project.is_err())).collect::<Vec<_>>(),
            "engine": engine_facts().await,
            "project": described(&project),
            "functions": functions(running.as_ref(), &records).await,
            "running": running.as_ref().map(|one| json!({
                "pid": one.pid,
                "runtime": one.runtime,
                "version": one.version,
            })),
            "records": records,
            "diagnosis": file::last(&state, MAX_DIAGNOSIS_BYTES),
        });
        redactor.clean(&mut bundle);
        bundle
    }

    fn records(&self, logs: &Path, kind: DocumentKind) -> Vec<Value> {
        let query = Query {
            kind: Some(kind),
            limit: Some(MAX_RECORDS),
            ..Query::default()
        };
        let Ok((text, _)) = query.begin(logs) else {
            return Vec::new();
        };
        let kept = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        kept.map(|kept| self.record(kept)).collect()
    }

    fn record(&self, mut kept: LogDocument) -> Value {
        match &mut kept {
            LogDocument::Invocation(one) => one
                .path
                .truncate(one.path.find('?').unwrap_or(one.path.len())),
            LogDocument::Platform(said) if !self.with_output => {
                said.detail = None;
                if QUOTING.contains(&said.event.as_str()) {
                    REMOVED.clone_into(&mut said.text);
                }
            }
            _ => {}
        }
        serde_json::to_value(kept).unwrap_or_default()
    }
}

/// Where a bundle is written if no other file is named.
pub fn usual_file() -> PathBuf {
    PathBuf::from("fnlocal-bundle.json")
}

fn finding(finding: &Finding, broken: bool) -> Value {
    // A broken project's text shows its lines, and AWS names the account and the person.
    let hidden = finding.what == "aws" || (finding.what == "project" && broken);
    json!({
        "what": finding.what,
        "state": finding.state,
        "found": if hidden { REMOVED } else { &finding.found },
        "fix": finding.fix.as_ref().filter(|_| !hidden && finding.state != FindingState::Good),
    })
}

/// A project by its names, or where it is broken.
fn described(project: &Result<Project, ProjectError>) -> Value {
    match project {
        Ok(project) => json!({
            "name": project.name,
            "config": config(&serde_json::to_value(project.config()).unwrap_or_default()),
            "packages": project.packages.iter().map(|package| json!({
                "name": package.name,
                "entries": package.entries,
                "manifest": package.manifest.is_some(),
            })).collect::<Vec<_>>(),
        }),
        Err(ProjectError::Config(error) | ProjectError::Manifest(error)) => {
            let name = error.path.file_name().unwrap_or_default();
            json!({ "broken": { "file": name.to_string_lossy(), "line": error.line } })
        }
        Err(_) => json!({ "broken": {} }),
    }
}

/// The names of functions: those that run, and those of which there are records.
async fn functions(running: Option<&Running>, records: &[Value]) -> BTreeSet<String> {
    let recorded = records.iter().filter_map(|one| one["function"].as_str());
    let mut names: BTreeSet<String> = recorded.map(str::to_owned).collect();
    if let Some(running) = running
        && let Ok(client) = running::client()
        && let Ok(RunningView { nodes, .. }) = running::view(&client, running).await
    {
        let pictures = nodes.into_values().filter_map(|node| node.picture);
        names.extend(pictures.flat_map(|picture| picture.functions.into_values()));
    }
    names
}
