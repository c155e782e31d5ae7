//! Where a file that is watched lies, if a link leads there.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Links on the way to a file after which the rest is left alone, as in the kernel.
const MAX_LINKS: usize = 40;

/// Returns every path on the way to a file that leads elsewhere once it is changed: links to the
/// file or to a folder above it, and last the file itself, all without links above them. Leaves
/// out paths outside of `root`, which must be without links: nothing of them is read.
pub(super) fn on_the_way(root: &Path, path: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut at = PathBuf::new();
    let mut parts: VecDeque<OsString> = parts_of(path);
    while let Some(part) = parts.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let here = at.join(&part);
        let target = std::fs::read_link(&here).ok();
        let ends = target.is_none() && (parts.is_empty() || !here.exists());
        if (target.is_some() || ends) && here.starts_with(root) {
            all.push(here.clone());
        }
        match target {
            _ if ends || all.len() > MAX_LINKS => break,
            Some(target) => {
                if target.is_absolute() {
                    at.clear();
                }
                for part in parts_of(&target).into_iter().rev() {
                    parts.push_front(part);
                }
            }
            None => at = here,
        }
    }
    all
}

fn parts_of(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}
