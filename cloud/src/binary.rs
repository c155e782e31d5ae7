//! The check whether nodes can run a file as a program.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::error::{CloudError, CloudErrorKind};

/// Bytes of a header that say for which system and processor the program is.
const HEADER: usize = 20;

/// Checks that a file is a program for Linux and a processor as images call it.
///
/// # Errors
/// Fails if the file is for another system or processor, or cannot be read.
pub fn check(path: &Path, architecture: &str) -> Result<(), CloudError> {
    let found = look(path).map_err(|error| {
        CloudError::new(
            CloudErrorKind::Failed,
            format!("{} cannot be read", path.display()),
        )
        .because(error)
        .hint("name another with --node-binary")
    })?;
    if found.as_deref() == Some(architecture) {
        return Ok(());
    }
    let what = match found {
        Some(other) => format!(
            "{} is for Linux on {other}, and the nodes have {architecture}",
            path.display()
        ),
        None => format!(
            "{} is no program for Linux, as nodes run it",
            path.display()
        ),
    };
    let version = env!("CARGO_PKG_VERSION");
    Err(CloudError::new(CloudErrorKind::Config, what).hint(format!(
        "get `fnlocal` {version} for Linux on {architecture} and name it with --node-binary FILE, \
         or choose an `instance_type` with this machine's processor"
    )))
}

/// The processor of a program for Linux; none for anything else.
fn look(path: &Path) -> std::io::Result<Option<String>> {
    let mut header = [0; HEADER];
    match File::open(path)?.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    // "ELF", 64 bits, the small end first, by the rules of System V or Linux.
    let is_linux = header.starts_with(b"\x7fELF\x02\x01") && matches!(header[7], 0 | 3);
    if !is_linux {
        return Ok(None);
    }
    let processor = match u16::from_le_bytes([header[18], header[19]]) {
        62 => "amd64".to_owned(),
        183 => "arm64".to_owned(),
        other => format!("processor {other}"),
    };
    Ok(Some(processor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_binary_is_accepted_only_for_its_own_architecture() {
        let this = std::env::current_exe().unwrap();
        let (mine, other) = if cfg!(target_arch = "aarch64") {
            ("arm64", "amd64")
        } else {
            ("amd64", "arm64")
        };
        if cfg!(target_os = "linux") {
            check(&this, mine).unwrap();
            let error = check(&this, other).unwrap_err();
            assert!(error.to_string().contains(mine), "{error}");
            assert!(error.hint.unwrap().contains("--node-binary"));
        }
    }

    #[test]
    fn a_binary_that_is_not_for_linux_is_refused() {
        let macos = [
            0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
        ];
        for bytes in [&b"#!/bin/sh\n"[..], &macos] {
            let error = check(file(bytes).path(), "arm64").unwrap_err();
            assert_eq!(error.kind, CloudErrorKind::Config);
            assert!(
                error.to_string().contains("no program for Linux"),
                "{error}"
            );
        }
    }
}
