//! Who runs fnlocal, and the names of its runs and images.

use sha2::{Digest, Sha256};

/// Whether `name` can be a run's name, so that a folder may be removed by it.
#[must_use]
pub fn is_run_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A random name or secret of `bytes` bytes, in hexadecimal.
#[must_use]
pub fn random_hex(bytes: usize) -> String {
    (0..bytes)
        .map(|_| format!("{:02x}", rand::random::<u8>()))
        .collect()
}

/// Returns the caller's user id.
#[must_use]
pub fn own_id() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Returns the caller's group id.
#[must_use]
pub fn own_group() -> u32 {
    rustix::process::getgid().as_raw()
}

/// Twelve hexadecimal digits of the hash of `parts`, which cannot run into each other.
#[must_use]
pub fn short_hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// `name` with what a repository's name cannot hold replaced.
#[must_use]
pub fn fit(name: &str) -> String {
    let mut fit = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            fit.push(c);
        } else if !fit.is_empty() && !fit.ends_with('-') {
            fit.push('-');
        }
    }
    let fit: String = fit.trim_end_matches('-').chars().take(100).collect();
    if fit.is_empty() {
        "package".to_owned()
    } else {
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_name_cannot_leave_its_folder() {
        assert!(is_run_name("0a1b2c"));
        assert!(!is_run_name("../x"));
        assert!(!is_run_name(""));
    }

    #[test]
    fn repository_names_hold_only_what_is_allowed() {
        assert_eq!(fit("My App-@scope/π_x"), "my-app-scope-x");
        assert_eq!(fit("π"), "package");
    }

    #[test]
    fn parts_of_a_hash_do_not_run_into_each_other() {
        assert_ne!(short_hash(&[b"ab", b"c"]), short_hash(&[b"a", b"bc"]));
        assert_eq!(short_hash(&[b"x"]).len(), 12);
    }
}
