//! Room for jobs, in bytes: what is on its way counts before it is on disk.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{AcceptError, MAX_QUEUED_JOBS, Queue};
use crate::job_queue::ReservedRoom;

/// The maximum number of bytes of all jobs that are to run, unless the project says otherwise.
pub const DEFAULT_QUEUE_BYTES: u64 = 1 << 30;

/// Bytes of jobs that are on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    all: Cell<u64>,
    /// By function; none is here twice, and none with 0.
    by_function: RefCell<BTreeMap<String, u64>>,
}

/// Bytes reserved for a job, until this is dropped.
pub(super) struct Reservation {
    queue: Rc<Queue>,
    function: String,
    /// The maximum number of bytes of the function's jobs.
    max_bytes: u64,
    bytes: u64,
}

impl Queue {
    /// Sets the maximum number of bytes of all jobs that are to run.
    pub fn set_max_bytes(&self, bytes: u64) {
        self.max_bytes.set(bytes);
    }

    /// Begins to reserve bytes for a job of a function whose jobs may take `max_bytes`.
    ///
    /// # Errors
    /// As many jobs wait as may, or the queue's file cannot be written.
    pub(super) fn reserve_bytes(
        self: &Rc<Self>,
        function: &str,
        max_bytes: u64,
    ) -> Result<Reservation, AcceptError> {
        if let Some(why) = self.keeper.fault() {
            return Err(crate::store::QueueStoreError::Down(why).into());
        }
        if self.line.borrow().len() >= MAX_QUEUED_JOBS {
            return Err(AcceptError::Full);
        }
        Ok(Reservation {
            queue: Rc::clone(self),
            function: function.to_owned(),
            max_bytes,
            bytes: 0,
        })
    }

    /// Returns how many more bytes all jobs may take.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        let taken = self.line.borrow().bytes() + self.reserved.all.get();
        self.max_bytes.get().saturating_sub(taken)
    }

    /// Returns how many bytes the jobs of a function take, those on their way included.
    pub(super) fn bytes_of(&self, function: &str) -> u64 {
        let reserved = self.reserved.by_function.borrow().get(function).copied();
        self.line.borrow().bytes_of(function) + reserved.unwrap_or_default()
    }
}

impl ReservedRoom for Reservation {
    fn grow(&mut self, more: u64) -> Result<(), AcceptError> {
        let queue = &self.queue;
        if more
            > self
                .max_bytes
                .saturating_sub(queue.bytes_of(&self.function))
        {
            return Err(AcceptError::FullOfBytes(self.max_bytes));
        }
        if more > queue.free_bytes() {
            return Err(AcceptError::FullOfBytes(queue.max_bytes.get()));
        }
        queue.reserved.all.update(|all| all + more);
        let mut reserved = queue.reserved.by_function.borrow_mut();
        *reserved.entry(self.function.clone()).or_default() += more;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let reserved = &self.queue.reserved;
        reserved.all.update(|all| all - self.bytes);
        let mut by_function = reserved.by_function.borrow_mut();
        if let Some(bytes) = by_function.get_mut(&self.function) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                by_function.remove(&self.function);
            }
        }
    }
}
