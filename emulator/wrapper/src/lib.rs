//! The wrapper's bundle, carried by this binary.

/// `runner.cjs`.
pub const RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runner.cjs"));
/// Where the runner is in an image.
pub const PATH: &str = "/fnlocal/runner.cjs";
