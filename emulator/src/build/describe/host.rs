//! Node on this machine as who is asked.
//!
//! It boots while the code is laid out for it and packed. Its answer is taken as soon as it is
//! there; nobody waits for it to end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use fnlocal_files::OwnPath;
use fnlocal_registry::{RepositoryName, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use super::outline::Outline;
use super::{Description, Question, Watched, settings};
use crate::build::code::{Code, short};
use crate::build::records::Records;
use crate::image::oci::content;
use crate::image::oci::layer::Layer;
use crate::image::{short_hash, wrapper};
use crate::project::DescribedModule;

/// For code to be imported. A module that waits at its top for something is asked in a container.
const PATIENCE: Duration = Duration::from_secs(10);
/// How an answer ends, and nothing inside one does.
const END: &[u8] = b"\n}\n";

/// Node, booting, in a folder without code. Killed when dropped.
struct Booting {
    node: Child,
    /// Beside `node_modules`, where Node looks for it as it does in the image.
    code: TempDir,
}

/// What it said of code of which every file could be imported.
pub(in crate::build) struct Answer {
    pub modules: Vec<DescribedModule>,
    /// Nothing when the code carried no marks.
    pub watched: Option<Watched>,
}

/// Asks node, if there is one; nothing unless every file could be imported.
pub(in crate::build) async fn ask(
    question: &Question<'_>,
    code: &Code,
    outline: Option<Arc<Outline>>,
) -> Option<Asked> {
    let booting = boot(question, outline.is_some()).await?;
    booting.tell(code, outline).await
}

async fn boot(question: &Question<'_>, watching: bool) -> Option<Booting> {
    let (records, store) = (question.records.clone(), question.store.clone());
    let (repository, deps) = (question.repository.clone(), question.deps.cloned());
    let name = question.package.name.clone();
    let placed = spawn_blocking(move || -> std::io::Result<_> {
        let runner = runner(&records)?;
        let modules = modules(&records, &store, &repository, deps.as_ref(), &name)?;
        let modules = modules.canonicalize()?;
        let code = tempfile::Builder::new()
            .prefix("app-")
            .tempdir_in(&modules)?;
        Ok((runner, modules, code))
    });
    let (runner, modules, code) = placed.await.ok()?.ok()?;
    let allow = |path: &Path| format!("--allow-fs-read={}", path.display());
    let node = Command::new(find_node()?)
        .args(["--permission", &allow(&modules), &allow(&runner)])
        .arg(runner)
        .arg("--describe")
        .env_clear()
        .envs(question.env)
        .envs(settings(question.package, code.path()))
        .env("FNLOCAL_WAIT", "1")
        .env("FNLOCAL_WATCH", if watching { "1" } else { "" })
        .current_dir(code.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    Some(Booting { node, code })
}

impl Booting {
    /// Lays the code out for it, with marks if there is an outline. Nothing when that is not
    /// possible.
    async fn tell(mut self, code: &Code, outline: Option<Arc<Outline>>) -> Option<Asked> {
        let (code, folder) = (code.clone(), self.code.path().to_owned());
        let copied = spawn_blocking(move || {
            code.copy(&folder)?;
            outline.map_or(Ok(()), |outline| outline.mark(&folder))
        });
        copied.await.ok()?.ok()?;
        // Closed with it: code that reads its input finds nothing.
        let mut stdin = self.node.stdin.take()?;
        stdin.write_all(b"\n").await.ok()?;
        Some(Asked(self))
    }
}

/// Node, importing the code.
pub(in crate::build) struct Asked(Booting);

impl Asked {
    /// What it says; nothing unless every file could be imported.
    pub async fn answer(mut self) -> Option<Answer> {
        let mut stdout = self.0.node.stdout.take()?;
        let mut said = Vec::new();
        let hearing = async {
            while !said.ends_with(END) && stdout.read_buf(&mut said).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        let heard = tokio::time::timeout(PATIENCE, hearing).await;
        heard.ok()?.ok()?;
        let Description { modules, watched } = serde_json::from_slice(&said).ok()?;
        let whole = modules.iter().all(|module| module.error.is_none());
        whole.then_some(Answer { modules, watched })
    }
}

/// Looked for before the environment is emptied, and `PATH` with it.
pub(super) fn find_node() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())
}

/// What of the runner describes, as a file.
fn runner(records: &Records) -> std::io::Result<PathBuf> {
    let name = format!("describe-{}.cjs", short_hash(&[wrapper::DESCRIBE]));
    OwnPath::new(records.folder()).make_folder()?;
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
    if OwnPath::new(&folder).is_folder() {
        return Ok(folder);
    }
    // Those of former dependencies.
    let own = OwnPath::new(&all);
    let _none = own.remove_all();
    own.make_folder()?;
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
