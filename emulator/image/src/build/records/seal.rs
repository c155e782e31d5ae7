//! The key that distinguishes this person's records from others'.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::build::bases::cache;

/// The key's file in the person's cache.
const FILE: &str = "records.key";
const KEY_BYTES: usize = 32;

/// A secret key.
pub(super) struct SealKey([u8; KEY_BYTES]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl SealKey {
    /// The person's key, made when there is none. Where nothing can be kept, it lasts as long as this
    /// process.
    pub fn of_person() -> Arc<Self> {
        static KEY: OnceLock<Arc<SealKey>> = OnceLock::new();
        let kept = || cache().and_then(|folder| Self::kept(&folder).ok());
        Arc::clone(KEY.get_or_init(|| Arc::new(kept().unwrap_or_else(Self::random))))
    }

    pub fn random() -> Self {
        Self(rand::random())
    }

    fn kept(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let mut bytes = Vec::new();
        match std::fs::File::open(&path) {
            Ok(file) => file.take(64).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        if let Ok(key) = bytes.as_slice().try_into() {
            return Ok(Self(key));
        }
        fnlocal_files::OwnPath::new(folder).make_folder()?;
        // 0600, and never seen half.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let key = Self::random();
        file.write_all(&key.0)?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(key),
            // Another process was quicker: the next one takes that process's key.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                let theirs: Vec<u8> = std::fs::read(&path)?;
                let theirs = theirs.try_into();
                theirs
                    .map(Self)
                    .map_err(|_| io::ErrorKind::InvalidData.into())
            }
            Err(error) => Err(error.error),
        }
    }

    /// The seal of a value under a name.
    pub fn seal(&self, name: &str, value: &str) -> String {
        STANDARD_NO_PAD.encode(self.mac(name, value).finalize().into_bytes())
    }

    /// Returns whether a seal is this key's, of this value under this name.
    pub fn fits(&self, seal: &str, name: &str, value: &str) -> bool {
        let seal = STANDARD_NO_PAD.decode(seal);
        seal.is_ok_and(|seal| self.mac(name, value).verify_slice(&seal).is_ok())
    }

    fn mac(&self, name: &str, value: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
        mac
    }
}
