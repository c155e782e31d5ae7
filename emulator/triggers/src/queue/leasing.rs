//! The queue's file as a [`JobQueue`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_api::UserError;
use tokio::sync::Notify;

use super::{AcceptError, ListedJob, Queue, QueueView, Selection, whole};
use crate::clock::Clock;
use crate::delivery::{Invoke, Run};
use crate::group_commit::Keeper;
use crate::job::{Accepted, Job, JobId};
use crate::job_queue::{JobLease, JobQueue, LeasedJob, LocalFuture, NewJobs, ReservedRoom};
use crate::store::{BodyFile, QueueStoreError};

impl JobQueue for Queue {
    fn enqueue(
        self: Rc<Self>,
        new: NewJobs,
    ) -> LocalFuture<'static, Result<Vec<Accepted>, AcceptError>> {
        Box::pin(async move { whole(self.accept_whole(new)).await? })
    }

    fn reserve(
        self: Rc<Self>,
        function: &str,
        max_bytes: u64,
    ) -> Result<Box<dyn ReservedRoom>, AcceptError> {
        let reservation = self.reserve_bytes(function, max_bytes)?;
        Ok(Box::new(reservation))
    }

    fn body_file(&self) -> Option<Arc<BodyFile>> {
        Some(self.keeper.bodies().reserve())
    }

    fn has_enough(&self, function: &str, max_bytes: u64) -> bool {
        self.len_of(function) >= super::ENOUGH
            || self.bytes_of(function) >= max_bytes
            || self.free_bytes() == 0
    }

    fn lease<'a>(
        &'a self,
        invoke: &'a dyn Invoke,
        freed: &'a Notify,
    ) -> LocalFuture<'a, Vec<JobLease>> {
        Box::pin(self.lease_ready(invoke, freed))
    }

    fn lease_time(&self) -> Option<Duration> {
        None
    }

    fn extend<'a>(&'a self, _: &'a JobLease) -> LocalFuture<'a, Result<(), QueueStoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn open<'a>(
        &'a self,
        lease: &'a JobLease,
        invoke: &'a dyn Invoke,
    ) -> LocalFuture<'a, LeasedJob> {
        Box::pin(self.read_leased(lease.id, invoke))
    }

    fn settle<'a>(
        &'a self,
        _: JobLease,
        run: &'a Run,
        invoke: &'a dyn Invoke,
    ) -> LocalFuture<'a, Result<(), QueueStoreError>> {
        Box::pin(async move {
            let settled = self.settle_run(run, invoke).await;
            self.end_lease();
            settled
        })
    }

    fn drain(&self) -> LocalFuture<'_, ()> {
        Box::pin(self.drain_runs())
    }

    fn list(
        &self,
        selection: Selection,
    ) -> LocalFuture<'_, Result<Vec<ListedJob>, QueueStoreError>> {
        Box::pin(self.list_page(selection))
    }

    fn show(&self, id: JobId) -> LocalFuture<'_, Result<Option<Job>, QueueStoreError>> {
        Box::pin(self.keeper.read(move |snapshot| snapshot.job(id)))
    }

    fn retry(
        self: Rc<Self>,
        selection: Selection,
    ) -> LocalFuture<'static, Result<usize, QueueStoreError>> {
        Box::pin(async move { whole(self.retry_whole(selection)).await? })
    }

    fn purge(
        self: Rc<Self>,
        selection: Selection,
    ) -> LocalFuture<'static, Result<usize, QueueStoreError>> {
        Box::pin(async move { whole(self.purge_whole(selection)).await? })
    }

    fn view(&self) -> QueueView {
        QueueView {
            functions: self.line.borrow().counts(),
            bytes: self.line.borrow().bytes(),
            dead: self.dead.get(),
            done: self.done.get(),
            failed: self.failed.get(),
        }
    }

    fn fault(&self) -> Option<Arc<str>> {
        self.keeper.fault()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn now_ms(&self) -> u64 {
        self.time.now_ms()
    }

    fn file(&self) -> Option<&Keeper> {
        Some(&self.keeper)
    }
}

impl Queue {
    /// Reads a job that was taken out of the line.
    async fn read_leased(&self, id: JobId, invoke: &dyn Invoke) -> LeasedJob {
        let read = self.keeper.read(move |snapshot| snapshot.job(id)).await;
        let error = match read {
            Ok(Some(job)) => return LeasedJob::Ready(Box::new(job)),
            // Purged in this very moment.
            Ok(None) => return self.gone(id),
            Err(error) => error,
        };
        let QueueStoreError::Body { .. } = &error else {
            return self.unread(id, invoke, &error);
        };
        // A job whose body is gone cannot be run.
        match self.keeper.read(move |snapshot| snapshot.head(id)).await {
            Ok(Some(head)) => LeasedJob::Unusable(Box::new(head), error.chain()),
            Ok(None) => self.gone(id),
            Err(error) => self.unread(id, invoke, &error),
        }
    }

    fn gone(&self, id: JobId) -> LeasedJob {
        self.leave(id);
        self.end_lease();
        LeasedJob::Gone
    }

    fn unread(&self, id: JobId, invoke: &dyn Invoke, error: &QueueStoreError) -> LeasedJob {
        invoke.warn(format!("job {id}: {}", error.report()));
        self.stay_in_line(id);
        self.end_lease();
        LeasedJob::Gone
    }

    fn end_lease(&self) {
        self.under_way.update(|count| count - 1);
        self.over.notify_one();
    }
}
