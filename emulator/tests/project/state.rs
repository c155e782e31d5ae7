use std::fs;

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

#[test]
fn git_does_not_see_the_folder() {
    let folder = Folder::with(&[]);
    let state = StateDir::lock(&folder.path).unwrap();
    assert_eq!(
        fs::read_to_string(state.path().join(".gitignore")).unwrap(),
        "*\n"
    );
}
