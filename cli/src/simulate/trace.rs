//! A trace's file.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fnlocal_sim::trace::RequestTrace;

use super::error::SimulateError;

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes of a trace that are read, unpacked.
const MAX_BYTES: u64 = 4 << 30;

/// Reads a trace, packed by gzip or not: load balancers store their logs packed.
pub fn read(path: &Path) -> Result<RequestTrace, SimulateError> {
    let bytes = bytes(path).map_err(|source| SimulateError::File {
        what: "the trace",
        path: path.to_owned(),
        source,
    })?;
    // Clients send what is no text, and some servers log it as it came.
    let text = String::from_utf8_lossy(&bytes);
    RequestTrace::read(&text).map_err(|source| SimulateError::Trace {
        path: path.to_owned(),
        source,
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes.as_slice()).take(MAX_BYTES + 1);
    decoder.read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 > MAX_BYTES {
        let gib = MAX_BYTES >> 30;
        return Err(io::Error::other(format!(
            "it holds more than {gib} GiB, unpacked"
        )));
    }
    Ok(unpacked)
}
