//! The user who runs fnlocal, and the names of its runs and images.

use sha2::{Digest, Sha256};

/// Returns whether `name` can be a run's name, so that a folder may be removed by it.
#[must_use]
pub fn is_run_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A random name or secret of `bytes` bytes, in hexadecimal.
#[must_use]
pub fn random_hex(bytes: usize) -> String {
    let random: Vec<u8> = rand::random_iter().take(bytes).collect();
    hex::encode(random)
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

/// Returns the name of an image of ours in an engine: `name` may have a tag. The host is part of it,
/// since Podman takes a name without one for one of Docker Hub when it looks, and not when it makes.
#[must_use]
pub fn local_image(name: &str) -> String {
    format!("localhost/fnlocal/{name}")
}

/// Twelve hexadecimal digits of the hash of `parts`, which cannot run into each other.
#[must_use]
pub fn short_hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..6])
}

/// The maximum length of a part of an image's name, in bytes.
const MAX_FIT: usize = 100;

/// `name` as a part of an image's name: what that cannot hold is replaced, and what is too long is
/// cut. A name that had to be changed ends in a hash of the original, so that no two become one.
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
    if fit == name && !fit.is_empty() && !fit.ends_with('-') && fit.len() <= MAX_FIT {
        return fit;
    }
    let hash = short_hash(&[name.as_bytes()]);
    fit.truncate(MAX_FIT - 1 - hash.len());
    match fit.trim_end_matches('-') {
        "" => format!("package-{hash}"),
        fit => format!("{fit}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use fnlocal_registry::RepositoryName;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_name_cannot_leave_its_folder() {
        assert!(is_run_name("0a1b2c"));
        assert!(!is_run_name("../x"));
        assert!(!is_run_name(""));
    }

    #[test]
    fn repository_names_contain_only_allowed_characters() {
        assert_eq!(fit("my-app2"), "my-app2");
        assert!(fit("My App-@scope/π_x").starts_with("my-app-scope-x-"));
        assert!(fit("π").starts_with("package-"));
        // Cut after the hyphen, engines would refuse it.
        let long = format!("{}-{}", "a".repeat(99), "b".repeat(11));
        assert!(is_part(&fit(&long)), "{}", fit(&long));
    }

    fn is_part(name: &str) -> bool {
        (1..=MAX_FIT).contains(&name.len()) && name.parse::<RepositoryName>().is_ok()
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_valid_and_unique_image_name_component(
            one in "\\PC{0,130}|[-a-zA-Z_.]{0,130}|[aA-]{0,3}",
            other in "\\PC{0,130}|[-a-zA-Z_.]{0,130}|[aA-]{0,3}",
        ) {
            prop_assert!(is_part(&fit(&one)) && is_part(&fit(&other)));
            prop_assert_eq!(fit(&one) == fit(&other), one == other);
        }
    }

    #[test]
    fn the_parts_of_a_hash_are_delimited() {
        assert_ne!(short_hash(&[b"ab", b"c"]), short_hash(&[b"a", b"bc"]));
        assert_eq!(short_hash(&[b"x"]).len(), 12);
    }
}
