//! Room on a disk.

use std::path::Path;

use super::{Finding, FindingState};

/// Free space in bytes from which nothing is said: a base, some dependencies and a few images.
const ROOM: u64 = 5 << 30;
/// Free space in bytes under which not even a save can be copied, or an image unpacked.
const NONE: u64 = 100 << 20;

/// Looks at the disk a folder is on. Returns `None` if the system does not say.
pub(super) fn examine(what: &'static str, folder: &Path, fix: &str) -> Option<Finding> {
    let found = rustix::fs::statvfs(&folder.canonicalize().ok()?).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
    let text = format!("{:.1} GB free", free as f64 / 1e9);
    let finding = Finding::good(what, text);
    Some(match free {
        ..NONE => Finding {
            found: format!("full: {} MB free at {}", free >> 20, folder.display()),
            ..finding
        }
        .not(FindingState::Bad, format!("make room; {fix}")),
        NONE..ROOM => finding.not(FindingState::Odd, fix),
        _ => finding,
    })
}
