//! What a package exports, asked of its code.
//!
//! First with this machine's node, which takes a fraction of what a container does: under Node's
//! permission model, so that the code can read itself and its dependencies but neither write, start
//! programs, load native addons nor see this machine's environment. Whatever does not succeed
//! there, for any reason, is asked again of the image itself; that answer counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use fnlocal_registry::{Digest, RepositoryName, Store};
use serde::Deserialize;
use tokio::process::Command;

use super::code::{Code, short};
use super::error::{BuildError, bug};
use super::records::Records;
use crate::driver::Failure;
use crate::image::oci::content;
use crate::image::oci::layer::Layer;
use crate::image::{short_hash, wrapper};
use crate::project::{DescribedModule, Package};

/// For code to be imported. A module that waits at its top for something is asked in a container.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom to ask about what.
pub(super) struct Question<'a> {
    pub package: &'a Package,
    pub code: &'a Code,
    pub deps: Option<&'a Layer>,
    pub store: &'a Store,
    pub repository: &'a RepositoryName,
    pub records: &'a Records,
    /// Variables the functions will have.
    pub env: &'a BTreeMap<String, String>,
    /// The host's node; looked up in `PATH` when none.
    pub node: Option<&'a Path>,
}

impl Question<'_> {
    /// A key for records: the same for the same code, dependencies and variables.
    pub fn key(&self, source: &Digest) -> String {
        let deps = self.deps.map(|deps| deps.diff_id.to_string());
        let deps = deps.unwrap_or_default();
        let env = format!("{:?}", self.env);
        let settings = format!("{:?}", settings(self.package, Path::new("")));
        let texts = [&source.to_string(), &deps, &env, &settings];
        let mut parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        parts.push(wrapper::RUNNER);
        short_hash(&parts)
    }
}

#[derive(Deserialize)]
struct Description {
    modules: Vec<DescribedModule>,
}

/// What node on this machine says; nothing unless every file could be imported.
pub(super) async fn on_host(question: &Question<'_>) -> Option<Vec<DescribedModule>> {
    let staged = stage(question).await.ok()?;
    let node = question
        .node
        .map_or_else(find_node, |node| Some(node.to_owned()))?;
    let allow = |path: &Path| format!("--allow-fs-read={}", path.display());
    let mut command = Command::new(node);
    command
        .args([
            "--permission",
            &allow(&staged.folder),
            &allow(&staged.runner),
        ])
        .arg(&staged.runner)
        .arg("--describe")
        .env_clear()
        .envs(question.env)
        .envs(settings(question.package, &staged.code))
        .current_dir(&staged.code)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let asked = tokio::time::timeout(PATIENCE, command.output()).await;
    drop(staged);
    let described = parse(&asked.ok()?.ok()?.stdout)?;
    let whole = described.iter().all(|module| module.error.is_none());
    whole.then_some(described)
}

/// Looked for before the environment is emptied, and `PATH` with it.
fn find_node() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())
}

/// The wrapper's settings, for code in a folder.
pub(super) fn settings(package: &Package, code: &Path) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("FNLOCAL_CODE", code.display().to_string()),
        ("FNLOCAL_PACKAGE", package.name.clone()),
    ];
    settings.extend(entries(package).map(|entries| ("FNLOCAL_ENTRIES", entries)));
    settings
}

/// The entries as the wrapper reads them. One with a comma in its name it has to find itself.
fn entries(package: &Package) -> Option<String> {
    let entries = &package.entries;
    let plain = entries.iter().all(|entry| !entry.contains(','));
    plain.then(|| entries.join(","))
}

/// What the wrapper wrote, if it described anything.
pub(super) fn parse(stdout: &[u8]) -> Option<Vec<DescribedModule>> {
    let description: Description = serde_json::from_slice(stdout).ok()?;
    Some(description.modules)
}

/// The first file that could not be imported, as an error.
pub(super) fn failed(package: &Package, described: &[DescribedModule]) -> Result<(), BuildError> {
    for module in described {
        if let Some(error) = &module.error {
            let failure = Failure::deserialize(error);
            let mut failure = failure.unwrap_or_else(|_| Failure::plain(error.to_string(), None));
            let root = format!("{}/", package.root.display());
            failure.rebase("/app/", &root);
            return Err(BuildError::Import {
                package: package.name.clone(),
                entry: module.entry.clone(),
                failure: Box::new(failure),
            });
        }
    }
    Ok(())
}

/// Files laid out as in the image, for node on this machine.
struct Staged {
    /// All that may be read.
    folder: PathBuf,
    /// In it, and removed again.
    code: PathBuf,
    runner: PathBuf,
    _code: tempfile::TempDir,
}

async fn stage(question: &Question<'_>) -> Result<Staged, BuildError> {
    let (records, store) = (question.records.clone(), question.store.clone());
    let (repository, deps) = (question.repository.clone(), question.deps.cloned());
    let (code, name) = (question.code.clone(), question.package.name.clone());
    let staged = tokio::task::spawn_blocking(move || -> std::io::Result<Staged> {
        let runner = runner(&records)?;
        let folder = modules(&records, &store, &repository, deps.as_ref(), &name)?;
        // Beside `node_modules`, where Node looks for it as it does in the image.
        let folder = folder.canonicalize()?;
        let staged = tempfile::Builder::new()
            .prefix("app-")
            .tempdir_in(&folder)?;
        code.copy(staged.path())?;
        Ok(Staged {
            code: staged.path().to_owned(),
            folder,
            runner,
            _code: staged,
        })
    });
    let staged = staged.await.map_err(bug)?;
    staged.map_err(|error| crate::image::oci::layer::full(error).into())
}

/// What of the runner describes, as a file.
fn runner(records: &Records) -> std::io::Result<PathBuf> {
    let name = format!("describe-{}.cjs", short_hash(&[wrapper::DESCRIBE]));
    std::fs::create_dir_all(records.folder())?;
    let path = records.folder().canonicalize()?.join(name);
    if !path.is_file() {
        let file = tempfile::NamedTempFile::new_in(records.folder())?;
        std::fs::write(file.path(), wrapper::DESCRIBE)?;
        file.persist(&path)?;
    }
    Ok(path)
}

/// A folder with the dependencies unpacked in it, kept for the next build of the package.
fn modules(
    records: &Records,
    store: &Store,
    repository: &RepositoryName,
    deps: Option<&Layer>,
    package: &str,
) -> std::io::Result<PathBuf> {
    let all = records.folder().join("modules").join(package);
    let name = deps.map_or_else(|| "none".to_owned(), |deps| short(&deps.diff_id));
    let folder = all.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    // Those of former dependencies.
    let _none = std::fs::remove_dir_all(&all);
    std::fs::create_dir_all(&all)?;
    let new = tempfile::Builder::new().prefix("new-").tempdir_in(&all)?;
    if let Some(deps) = deps {
        let opened = content::open(store, repository, &deps.digest);
        let (file, _) = opened.map_err(std::io::Error::other)?;
        let gzip = MultiGzDecoder::new(std::io::BufReader::new(file));
        tar::Archive::new(gzip).unpack(new.path())?;
    }
    // Node looks no further up for one, where it may not read.
    std::fs::write(new.path().join("package.json"), "{}")?;
    let new = new.keep();
    match std::fs::rename(&new, &folder) {
        // Another build was quicker.
        Err(_) if folder.is_dir() => std::fs::remove_dir_all(new)?,
        renamed => renamed?,
    }
    Ok(folder)
}
