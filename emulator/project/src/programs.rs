//! Programs of this machine that fnlocal itself starts: git, interpreters, package managers, ldd.
//!
//! Looked for in the absolute folders of `PATH` only. An entry such as `.` or `node_modules/.bin`
//! would name whatever a project has there.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fnlocal_language::{Interpreter, Language};

/// The path of a program; `None` if no folder has one that can be executed.
pub fn find(name: &str) -> Option<PathBuf> {
    let found = folders().map(|folder| folder.join(name));
    let mut found = found.filter(|path| is_executable(path));
    found.next()
}

/// `PATH` without its relative folders, for programs that start others.
pub fn path() -> OsString {
    std::env::join_paths(folders()).unwrap_or_default()
}

/// Asks an interpreter where it is and which version it has. The inner error is what a program wrote
/// that does not tell.
///
/// # Errors
/// The program cannot be started.
pub async fn ask(
    program: &Path,
    language: &dyn Language,
) -> io::Result<Result<Interpreter, String>> {
    let asked = tokio::process::Command::new(program)
        .args(language.version_question())
        .stdin(Stdio::null())
        .output()
        .await?;
    let wrote = || String::from_utf8_lossy(&asked.stderr).trim().to_owned();
    let answer = String::from_utf8_lossy(&asked.stdout);
    Ok(language.read_version(&answer).ok_or_else(wrote))
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.into_iter().filter(|folder| folder.is_absolute())
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = path.metadata();
    metadata.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
