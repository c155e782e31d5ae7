//! The one thread on which a command waits: for files, for the engine, for requests.

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::error::CliError;

/// Runs `work` to its end, on this thread alone.
///
/// # Errors
/// The system does not let it begin.
pub fn until_done<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CliError::failed)?;
    let outcome = LocalSet::new().block_on(&runtime, work);
    // Files may still be being read in the background; the command does not wait for that.
    runtime.shutdown_background();
    Ok(outcome)
}
