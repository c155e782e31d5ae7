//! A panic of the journal's thread, in a child that is this test binary.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::JournalLimits;
use crate::{Logs, Record};
use fnlocal_faults as faults;

/// A note that makes the journal's thread panic, in tests of this crate only.
const PANIC: &str = "the journal panics now";
/// Set for a child that is this test binary: the folder of the log.
const CHILD: &str = "FNLOCAL_JOURNAL_CHILD";

pub(super) fn look(record: &Record) {
    let panics = matches!(record, Record::Note { text, .. } if text == PANIC);
    assert!(!panics, "as the test wants");
}

/// The child's part. Does nothing in the test run itself.
#[test]
fn child_process_panics() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    faults::install();
    let (printer, shown) = sync_channel(1);
    let logs = Logs::new(printer);
    logs.keep(folder.into(), JournalLimits::default(), "shop")
        .unwrap();
    logs.note(PANIC);
    logs.flush();
    // The end of the process comes from the panic, and never from here.
    while shown.recv().is_ok() {}
    std::thread::sleep(Duration::from_secs(90));
}

#[test]
fn a_panic_of_the_journal_thread_ends_the_process_with_exit_code_bug() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::thread_faults::child_process_panics"])
        .arg("--nocapture")
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(fnlocal_api::Exit::Bug as i32),
        "{told}"
    );
    assert!(told.contains("thread 'journal'"), "{told}");
}
