use std::fs;
use std::io::Write;
use std::process::{Child, Command};

use fnlocal_api::UserError;
use fnlocal_project::{StateDir, StateError};

use super::Folder;

#[test]
fn a_project_is_locked_by_one_process_at_a_time() {
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
fn the_lock_of_a_killed_process_ends_with_the_child_it_was_starting() {
    let folder = Folder::with(&[]);
    let mut child = left_by_the_dead(&folder, "0.3");
    StateDir::lock(&folder.path).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_lock_error_does_not_name_a_process_that_has_ended() {
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
fn git_ignores_the_state_folder() {
    let folder = Folder::with(&[]);
    let state = StateDir::lock(&folder.path).unwrap();
    assert_eq!(
        fs::read_to_string(state.path().join(".gitignore")).unwrap(),
        "*\n"
    );
}
