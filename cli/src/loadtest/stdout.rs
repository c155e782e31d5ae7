//! Keeps stdout for data.

/// Sends a library's output on stdout to stderr, until this is dropped: goose prints the number of
/// users, and no option turns that off.
pub struct Diverted(std::os::fd::OwnedFd);

impl Diverted {
    /// None when the system refuses; a line too many is no reason not to run.
    pub fn new() -> Option<Self> {
        #[allow(clippy::disallowed_methods, reason = "nothing is written to them here")]
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let kept = rustix::io::dup(stdout).ok()?;
        rustix::stdio::dup2_stdout(stderr).ok()?;
        Some(Self(kept))
    }
}

impl Drop for Diverted {
    fn drop(&mut self) {
        // Refused, the report goes to stderr: it is not lost.
        let _refused = rustix::stdio::dup2_stdout(&self.0);
    }
}
