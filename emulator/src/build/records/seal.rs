//! A line before a record that only this user can have written.

use std::path::Path;
use std::sync::LazyLock;

use fnlocal_files::OwnPath;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::build::cache;

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// The key's file, in the user's cache folder.
const KEY_FILE: &str = "records.key";

/// Where there is no folder to keep the key in, records are good for this process only.
static KEY: LazyLock<[u8; KEY_BYTES]> = LazyLock::new(|| {
    cache()
        .and_then(|cache| key(&cache))
        .unwrap_or_else(rand::random)
});

/// A record with its seal, which holds for this name only.
pub(super) fn seal(name: &str, record: &[u8]) -> Vec<u8> {
    seal_with(&KEY, name, record)
}

/// A sealed record; `None` if this user's key did not seal it under this name.
pub(super) fn open<'a>(name: &str, sealed: &'a [u8]) -> Option<&'a [u8]> {
    open_with(&KEY, name, sealed)
}

fn seal_with(key: &[u8; KEY_BYTES], name: &str, record: &[u8]) -> Vec<u8> {
    let seal = mac(key, name, record).finalize().into_bytes();
    let mut sealed: Vec<u8> = seal
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect();
    sealed.push(b'\n');
    sealed.extend_from_slice(record);
    sealed
}

fn open_with<'a>(key: &[u8; KEY_BYTES], name: &str, sealed: &'a [u8]) -> Option<&'a [u8]> {
    let end = sealed.iter().position(|&byte| byte == b'\n')?;
    let (seal, record) = (
        std::str::from_utf8(&sealed[..end]).ok()?,
        &sealed[end + 1..],
    );
    let pairs = seal.as_bytes().chunks(2);
    let seal: Option<Vec<u8>> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    mac(key, name, record).verify_slice(&seal?).ok()?;
    Some(record)
}

fn mac(key: &[u8; KEY_BYTES], name: &str, record: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(&(name.len() as u64).to_le_bytes());
    mac.update(name.as_bytes());
    mac.update(record);
    mac
}

/// The user's key, made if it is not there; `None` if it can be neither read nor written.
fn key(cache: &Path) -> Option<[u8; KEY_BYTES]> {
    let folder = OwnPath::new(cache);
    let file = folder.join(KEY_FILE);
    let read = || file.read().ok()?.try_into().ok();
    read().or_else(|| {
        folder.make_folder().ok()?;
        file.write(&rand::random::<[u8; KEY_BYTES]>()).ok()?;
        // Of two that made one at a time, the later is everyone's.
        read()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_under_its_own_name_and_key_only() {
        let key = [7; KEY_BYTES];
        let sealed = seal_with(&key, "base-1.json", b"{}");
        assert_eq!(open_with(&key, "base-1.json", &sealed), Some(&b"{}"[..]));
        assert_eq!(open_with(&key, "base-2.json", &sealed), None);
        assert_eq!(open_with(&[8; KEY_BYTES], "base-1.json", &sealed), None);
    }

    #[test]
    fn a_record_that_is_changed_or_bears_no_seal_does_not_open() {
        let key = [7; KEY_BYTES];
        let mut sealed = seal_with(&key, "n", b"{\"a\":1}");
        *sealed.last_mut().unwrap() = b']';
        assert_eq!(open_with(&key, "n", &sealed), None);
        for foreign in [&b"{}"[..], b"\n{}", b"00\n{}", b"zz\n{}", b""] {
            assert_eq!(open_with(&key, "n", foreign), None);
        }
    }

    #[test]
    fn the_key_stays_and_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let cache = tempfile::tempdir().unwrap();
        let cache = cache.path().join("fnlocal");
        let first = key(&cache).unwrap();
        assert_eq!(key(&cache), Some(first));
        let mode = std::fs::metadata(cache.join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
