//! `PATH` without relative folders, for every program that is started.
//!
//! An entry such as `.` or `node_modules/.bin` names whatever the current folder has there, and that
//! may be a stranger's repository. Libraries start programs, too: helpers with registries'
//! credentials, the browser. So the process begins anew with the absolute folders only.

use std::env::{join_paths, split_paths, var_os};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Returns if `PATH` has absolute folders only, or if the process cannot begin anew.
pub fn make_absolute() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let Some(path) = var_os("PATH").and_then(|path| without_relative(&path)) else {
        return;
    };
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    if let Ok(program) = std::env::current_exe() {
        let mut anew = Command::new(program);
        anew.arg0(name).args(args).env("PATH", &path);
        if path.is_empty() {
            // An empty entry is the current folder again.
            anew.env_remove("PATH");
        }
        let error = anew.exec();
        let hint = Some("remove relative folders from PATH");
        crate::run::warn(&format!("PATH has relative folders: {error}"), hint);
    }
}

/// The absolute folders of a `PATH`; `None` if it has no others.
fn without_relative(path: &OsStr) -> Option<OsString> {
    let (kept, relative): (Vec<PathBuf>, Vec<_>) =
        split_paths(path).partition(|folder| folder.is_absolute());
    // A path that was split at separators has none.
    (!relative.is_empty()).then(|| join_paths(kept).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_folders_are_removed_and_an_absolute_path_is_unchanged() {
        let kept = |path: &str| without_relative(OsStr::new(path));
        assert_eq!(kept("/usr/bin:/bin"), None);
        for (path, wanted) in [
            (".:/usr/bin", "/usr/bin"),
            (".", ""),
            ("/usr/bin:", "/usr/bin"),
            ("/a:node_modules/.bin:../b:/c", "/a:/c"),
        ] {
            let found = kept(path).unwrap();
            assert_eq!(found, wanted, "{path}");
            let again = kept(&found.to_string_lossy());
            assert!(found.is_empty() || again.is_none(), "it is done once");
        }
    }
}
