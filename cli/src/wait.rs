//! The one thread on which a command waits: for files, for the engine, for requests.

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::exit::Exit;
use crate::run::fail;

/// Runs `work` to its end, on this thread alone.
///
/// # Errors
/// How the command ends when the system does not let it begin, which is printed.
pub fn until_done<T>(work: impl Future<Output = T>) -> Result<T, Exit> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(Exit::Failed, &error, None))?;
    let outcome = LocalSet::new().block_on(&runtime, work);
    // Files may still be being read in the background; nobody waits for that.
    runtime.shutdown_background();
    Ok(outcome)
}
