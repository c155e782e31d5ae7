//! Files that fnlocal keeps in a folder which other people can fill: `.fnlocal` may come with a
//! cloned repository, and `/tmp` is open to every user of the machine.
//!
//! An [`OwnPath`] is a path below such a folder. Each operation opens the folder and then each
//! component below it by its own descriptor, without following a link, and refuses what belongs to
//! another user. So a link that a repository commits, or that a checkout puts there while fnlocal
//! runs, never leads an operation out of the folder. New files have mode 0600 and folders 0700,
//! from their creation on and for any umask, unless a caller asks for other modes.
#![warn(missing_docs)]

mod file;
mod folder;
mod lookup;
mod text;
mod within;

pub use file::Metadata;
pub use text::{NotText, decode, without_mark};
pub use within::{LinkFree, open_within, read_inside, read_text_inside};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the folder that a project's state is in. Nothing below it is reached by a link.
pub const STATE_DIR: &str = ".fnlocal";

/// A path below a folder of this user's, resolved without following links.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnPath {
    /// The folder whose own name is not followed either. Above it links are the user's affair.
    root: Arc<Path>,
    full: PathBuf,
}

impl OwnPath {
    /// A path whose last [`STATE_DIR`] component, and all below it, are looked at one by one. In a
    /// path without that component only the last one is: it is then the folder itself.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        // Without a slash at its end, which would have the system follow a link there.
        let path: PathBuf = path.components().collect();
        let above = path
            .ancestors()
            .find(|above| above.file_name().is_some_and(|name| name == STATE_DIR));
        Self {
            root: Arc::from(above.unwrap_or(&path)),
            full: path,
        }
    }

    /// A path below this one. One with `..` or a root is refused when it is used.
    #[must_use]
    pub fn join(&self, relative: impl AsRef<Path>) -> Self {
        let mut full = self.full.clone();
        // Joined by `Path::join`, an absolute path would replace this one.
        full.as_mut_os_string().push("/");
        full.as_mut_os_string().push(relative.as_ref());
        Self {
            root: Arc::clone(&self.root),
            full,
        }
    }

    /// The folder this is in; `None` for the outermost.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let parent = self.full.parent().filter(|_| *self.full != *self.root)?;
        Some(Self {
            root: Arc::clone(&self.root),
            full: parent.to_owned(),
        })
    }

    /// The whole path, to show, or to hand to another program.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.full
    }

    /// The last component, if it is Unicode.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.full.file_name()?.to_str()
    }
}

/// Why a path that exists is not used.
#[derive(Debug, thiserror::Error)]
#[error("{} {why}", path.display())]
pub struct PathRefused {
    path: PathBuf,
    why: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("is a link, which fnlocal does not follow there")]
    Link,
    #[error("belongs to another user")]
    Owner,
    #[error("is neither a file nor a folder")]
    Special,
    #[error("leads out of its folder")]
    Outside,
}

impl PathRefused {
    fn error(path: &Path, why: Reason) -> io::Error {
        let path = path.to_owned();
        io::Error::new(io::ErrorKind::PermissionDenied, Self { path, why })
    }

    /// The path that was refused.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns the hint for an error; `None` if it is neither a [`PathRefused`] nor [`NotText`].
#[must_use]
pub fn hint(error: &io::Error) -> Option<String> {
    if let Some(hint) = text::hint(error) {
        return Some(hint);
    }
    let refused = error.get_ref()?.downcast_ref::<PathRefused>()?;
    let path = refused.path.display();
    Some(match refused.why {
        Reason::Link | Reason::Special => {
            format!("fnlocal did not make it: look where it came from, and remove it: rm '{path}'")
        }
        Reason::Owner => format!("run fnlocal as the user who owns {path}, or remove it"),
        Reason::Outside => "name a path inside of the folder".to_owned(),
    })
}
