//! `fnlocal clean`: removes what fnlocal keeps for a project, and nothing else.
//!
//! Everything is listed first, and then the list is removed: a dry run shows exactly what a real
//! one would do. Containers, volumes, networks and images are known by our labels, files by their
//! place. Leftovers of dead runs on the machine go too: processes, sockets, temporary files.

mod engine;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fnlocal_files::OwnPath;

use fnlocal_engine::connect::{ConnectError, EngineVariables, connect};
use fnlocal_engine::labels::{FOLDER, pair};
use fnlocal_image::build::cache;
use fnlocal_project::{Project, ProjectError, StateDir, StateError};
use fnlocal_runtime::leftovers;

/// Files of `.fnlocal` that stay: they hold the locks, and keep git from seeing the folder.
const STAYS: [&str; 3] = ["lock", "build.lock", ".gitignore"];

/// The options of `fnlocal clean`.
#[derive(Clone, Debug)]
pub struct CleanOptions {
    /// A folder of functions, or one file.
    pub path: PathBuf,
    /// Removes what projects share too: base images and the wrapper's.
    pub shared: bool,
    /// Only list.
    pub dry_run: bool,
}

/// One thing to remove.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CleanedItem {
    /// The kind.
    pub kind: CleanedKind,
    /// Its path, or the engine's id of it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its size, as far as it is known. Images share layers, so not all of it may become free.
    pub bytes: u64,
}

/// The things that may be removed, in the order of removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CleanedKind {
    /// Of an engine.
    Container,
    /// Of an engine.
    Volume,
    /// Of an engine.
    Network,
    /// Of an engine.
    Image,
    /// A file or a folder.
    Path,
}

impl std::fmt::Display for CleanedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Image => "image",
            Self::Path => "files",
        })
    }
}

/// The result of cleaning.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The removed things, or those that would be.
    pub removed: Vec<CleanedItem>,
    /// The things that could not be removed, and why.
    pub kept: Vec<(CleanedItem, String)>,
    /// Why the engine was not asked.
    pub no_engine: Option<ConnectError>,
}

/// Removes what belongs to a project.
///
/// # Errors
/// [`CleanError`] when the project is in use, or its files cannot be listed.
pub async fn run(options: &CleanOptions) -> Result<Cleaned, CleanError> {
    let project = Project::open(&options.path, None)?;
    let state = project.state();
    let _locks = if fs::symlink_metadata(&state).is_ok() {
        Some(StateDir::lock_to_remove(&project.root)?)
    } else {
        None
    };
    let mut cleaned = Cleaned::default();
    let engine = match connect(&EngineVariables::from_env()).await {
        Ok(engine) => Some(engine),
        Err(error) => {
            cleaned.no_engine = Some(error);
            None
        }
    };
    // Of dead runs of any project: no other than its own could tell whose they were.
    for folder in leftovers::clear(options.dry_run).folders {
        let text = folder.display().to_string();
        cleaned.removed.push(CleanedItem {
            kind: CleanedKind::Path,
            id: text.clone(),
            name: text,
            bytes: 0,
        });
    }
    let mut items = files(&state)?;
    if options.shared
        && let Some(cache) = cache().filter(|cache| cache.is_dir())
    {
        items.push(path(cache)?);
    }
    if let Some(engine) = &engine {
        let label = pair(FOLDER, &project.root.display().to_string());
        let found = engine::list(&engine.docker, &label, &project.name, options.shared).await;
        items.extend(found.map_err(CleanError::Engine)?);
    }
    items.sort();
    for item in items {
        if options.dry_run {
            cleaned.removed.push(item);
            continue;
        }
        let removed = match (&item.kind, &engine) {
            (CleanedKind::Path, _) => OwnPath::new(Path::new(&item.id))
                .remove_all()
                .map_err(|error| error.to_string()),
            (_, Some(engine)) => engine::remove(&engine.docker, &item).await,
            (_, None) => continue,
        };
        match removed {
            Ok(()) => cleaned.removed.push(item),
            Err(why) => cleaned.kept.push((item, why)),
        }
    }
    Ok(cleaned)
}

fn files(state: &Path) -> Result<Vec<CleanedItem>, CleanError> {
    let folder = OwnPath::new(state);
    let names = match folder.names() {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(fail(state)(source)),
    };
    let mut found = Vec::new();
    for name in names {
        if !STAYS.iter().any(|stays| name == *stays) {
            found.push(path(state.join(name))?);
        }
    }
    Ok(found)
}

fn path(path: PathBuf) -> Result<CleanedItem, CleanError> {
    let bytes = size(&path).map_err(fail(&path))?;
    let text = path.display().to_string();
    Ok(CleanedItem {
        kind: CleanedKind::Path,
        id: text.clone(),
        name: text,
        bytes,
    })
}

fn fail(path: &Path) -> impl Fn(io::Error) -> CleanError + use<> {
    let path = path.to_owned();
    move |source| CleanError::Io {
        path: path.clone(),
        source,
    }
}

/// Bytes of everything in a folder; links are not followed.
fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += size(&entry?.path())?;
    }
    Ok(bytes)
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// The folder is no project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Another fnlocal uses it.
    #[error(transparent)]
    State(#[from] StateError),
    /// The engine answers, but does not list what it has.
    #[error("the engine does not list its containers and images")]
    Engine(#[source] bollard::errors::Error),
    /// Files cannot be listed.
    #[error("could not read {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        source: io::Error,
    },
}

fnlocal_api::user_error!(CleanError [Project, State] {
    Self::Engine(_) => None, Unreachable;
    Self::Io { .. } => None;
});
