//! Work on a stranger's file, with bounds on its size, nesting and time.
//!
//! The parser and its passes recurse once per nested node, and a thread that runs out of stack takes
//! the whole process with it. Each node nests by a bracket, an operator or a keyword, so the number
//! of those bounds the depth, and the stack is large enough for so many. A stack is memory only as
//! far as it is used.

mod nesting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::parse::Problem;

/// The largest file that is translated, in bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// The deepest nesting that is translated.
const MAX_NODES: usize = 2_000;
/// Bytes of stack for one nested node and all that recurses over it. Builds without optimisation need
/// more.
const NODE_STACK_BYTES: usize = if cfg!(debug_assertions) {
    48 << 10
} else {
    16 << 10
};
const BASE_STACK_BYTES: usize = 8 << 20;
const TIMEOUT: Duration = Duration::from_secs(20);
/// Threads that may go on after their time: nothing can end a thread.
const MAX_OVERDUE: usize = 2;

static OVERDUE: AtomicUsize = AtomicUsize::new(0);

/// Runs `work` on a file's text, on a thread of its own.
pub(crate) fn run<T: Send + 'static>(
    text: &str,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let nodes = nodes(text)?;
    if OVERDUE.load(Ordering::Acquire) >= MAX_OVERDUE {
        let why = "other files still take too long to translate; restart fnlocal without them";
        return Err(Problem::of_file(why));
    }
    let (sender, result) = channel();
    let late = Arc::new(AtomicUsize::new(0));
    let lateness = Arc::clone(&late);
    let started = std::thread::Builder::new()
        .name("transpile".to_owned())
        .stack_size(BASE_STACK_BYTES + nodes * NODE_STACK_BYTES)
        .spawn(move || {
            let _receiver_gave_up = sender.send(work());
            if lateness.load(Ordering::Acquire) > 0 {
                OVERDUE.fetch_sub(1, Ordering::AcqRel);
            }
        });
    if let Err(error) = started {
        return Err(Problem::of_file(format!(
            "no thread to translate it: {error}"
        )));
    }
    match result.recv_timeout(TIMEOUT) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => {
            OVERDUE.fetch_add(1, Ordering::AcqRel);
            late.store(1, Ordering::Release);
            let seconds = TIMEOUT.as_secs();
            Err(Problem::of_file(format!(
                "translating it takes longer than {seconds} s"
            )))
        }
        Err(RecvTimeoutError::Disconnected) => Err(Problem::of_file(
            "the transpiler broke down on it, which is a fault of fnlocal",
        )),
    }
}

/// The number of nodes that a file can nest.
fn nodes(text: &str) -> Result<usize, Problem> {
    if text.len() > MAX_BYTES {
        let size = text.len() >> 20;
        let most = MAX_BYTES >> 20;
        let why = format!("it has {size} MiB; files of at most {most} MiB are translated");
        return Err(Problem::of_file(why));
    }
    let all = nesting::count(text);
    if all <= MAX_NODES {
        return Ok(all);
    }
    let depth = nesting::depth(text);
    if depth > MAX_NODES {
        let why = format!(
            "it nests {depth} deep by brackets and operators; {MAX_NODES} levels are translated"
        );
        return Err(Problem::of_file(why));
    }
    Ok(depth)
}
