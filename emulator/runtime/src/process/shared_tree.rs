//! A folder of files that are the same as those of another folder, at a place of its own.

use std::fs;
use std::io;
use std::path::Path;

/// Puts the files of a folder into a new one, with the same content on the disk where both are on one
/// file system, else copied. Links stay as they are, and other kinds are left out.
pub(super) fn share_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            share_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() && fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shared_and_links_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/x.js"), "x").unwrap();
        std::os::unix::fs::symlink("a/b", from.join("link")).unwrap();
        let to = folder.path().join("to");
        share_tree(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("link/x.js")).unwrap(), b"x");
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("a/b"));
        assert!(share_tree(&from, &to).is_err());
    }
}
