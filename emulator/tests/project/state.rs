use std::fs;
use std::io::Write;
use std::process::{Child, Command};

use fnlocal_api::UserError;
use fnlocal_project::{StateDir, StateError};

use super::Folder;

#[test]
fn one_process_at_a_time_has_a_project() {
    let folder = Folder::with(&[]);
    let first = StateDir::lock(&folder.path).unwrap();
    let error = StateDir::lock(&folder.path).unwrap_err();
    let StateError::Taken { pid, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    assert!(error.hint().is_some());
    drop(first);
    StateDir::lock(&folder.path).unwrap();
}

/// Holds the lock of a project as a child does whose parent was killed before it became another
/// program, and says in it that a process has it that is no more.
fn left_by_the_dead(folder: &Folder, seconds: &str) -> Child {
    drop(StateDir::lock(&folder.path).unwrap());
    let path = folder.path.join(".fnlocal/lock");
    let mut lock = fs::File::options()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    lock.try_lock().unwrap();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    writeln!(lock, "{}", dead.id()).unwrap();
    // The child reads the lock's own file, so it has the lock for as long as it lives.
    Command::new("sleep")
        .arg(seconds)
        .stdin(lock)
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_process_keeps_a_project_no_longer_than_the_child_it_was_starting() {
    let folder = Folder::with(&[]);
    let mut child = left_by_the_dead(&folder, "0.3");
    StateDir::lock(&folder.path).unwrap();
    child.wait().unwrap();
}

#[test]
fn nobody_is_told_to_end_a_process_that_is_gone() {
    let folder = Folder::with(&[]);
    let mut child = left_by_the_dead(&folder, "60");
    let error = StateDir::lock(&folder.path).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        matches!(error, StateError::Taken { pid: None, .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("process"), "{error}");
}

#[test]
fn git_does_not_see_the_folder() {
    let folder = Folder::with(&[]);
    let state = StateDir::lock(&folder.path).unwrap();
    assert_eq!(
        fs::read_to_string(state.path().join(".gitignore")).unwrap(),
        "*\n"
    );
}
