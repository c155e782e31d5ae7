//! Sources of events: what all of them have in common.
//!
//! A source hands what it reads to an [`Ingest`], which puts it into the queue, and confirms to the
//! server only afterwards. From there on the queue delivers. An event that comes again after a
//! crash bears the same key, and so becomes the same job.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::trigger::AsyncPolicy;
use serde::Serialize;
use tokio::time::Instant;

use crate::event::{SourceEvent, rfc3339};
use crate::job::{NewJob, Trigger};
use crate::job_queue::{JobQueue, NewJobs};
use crate::queue::{AcceptError, millis};

/// How often it is looked whether there is room again.
const FULL_PAUSE: Duration = Duration::from_millis(200);
/// A source that could be read for so long has come back: its next failure is a first one.
const WELL: Duration = Duration::from_secs(10);

/// The maximum number of bytes that are kept of why a source cannot be read.
const MAX_WHY_BYTES: usize = 2048;

/// Why a source cannot be read.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Something that tells of events.
pub trait Source {
    /// Returns the source's name, such as `redis bids`.
    fn name(&self) -> String;

    /// Reads until it breaks.
    ///
    /// # Errors
    /// Why it broke.
    fn read<'a>(
        &'a mut self,
        intake: &'a Ingest,
    ) -> Pin<Box<dyn Future<Output = Result<(), SourceError>> + 'a>>;
}

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceHealth {
    /// The source is being connected to.
    Connecting,
    /// The source is being read.
    Reading,
    /// The source cannot be read.
    Unreachable {
        /// The reason, for people.
        why: String,
        /// Attempts since it last could.
        attempts: u32,
        /// When the next one is made, RFC 3339 in UTC.
        next: String,
    },
}

/// A source at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// The function it calls.
    pub function: String,
    /// Its state.
    pub health: SourceHealth,
    /// Events taken since fnlocal began.
    pub taken: u64,
    /// Events of those that had been taken before.
    pub repeated: u64,
    /// Events of those that could not be run, and went to the dead letters.
    pub refused: u64,
}

/// Where a source puts its events.
pub struct Ingest {
    queue: Rc<dyn JobQueue>,
    function: String,
    trigger: Trigger,
    policy: AsyncPolicy,
    /// The maximum size of an event's data in bytes.
    limit: u64,
    health: RefCell<SourceHealth>,
    taken: Cell<u64>,
    repeated: Cell<u64>,
    refused: Cell<u64>,
    name: String,
    /// The callback for events that are worth a line, while it is kept being read.
    tell: RefCell<Option<Rc<OnSourceMessage>>>,
}

/// Told lines for people: something is wrong, and what.
type OnSourceMessage = dyn Fn(bool, String);

/// An event with what the queue needs to know of it.
#[derive(Clone, Debug)]
pub struct IngestedEvent {
    /// The event.
    pub event: SourceEvent,
    /// The event's key within its source, the same each time it comes.
    pub key: String,
    /// Events of one key run one after the other.
    pub order: Option<String>,
}

impl Ingest {
    /// Puts what `name` tells into `queue`, for a function whose events may have `limit` bytes.
    #[must_use]
    pub fn new(
        queue: Rc<dyn JobQueue>,
        name: String,
        function: String,
        trigger: Trigger,
        policy: AsyncPolicy,
        limit: u64,
    ) -> Self {
        Self {
            queue,
            function,
            trigger,
            policy,
            limit,
            health: RefCell::new(SourceHealth::Connecting),
            taken: Cell::new(0),
            repeated: Cell::new(0),
            refused: Cell::new(0),
            name,
            tell: RefCell::default(),
        }
    }

    /// The source answers.
    pub fn reading(&self) {
        self.health.replace(SourceHealth::Reading);
    }

    /// Something is wrong that does not keep the source from being read.
    pub fn warn(&self, text: &str) {
        if let Some(tell) = &*self.tell.borrow() {
            let (name, function) = (&self.name, &self.function);
            tell(true, format!("{name}, a source of /{function}: {text}"));
        }
    }

    /// Takes events: they are on disk when this returns, with what is to be noted of them. One that
    /// is too large is kept as a dead letter without its data.
    ///
    /// # Errors
    /// [`AcceptError`]; then none was taken.
    pub async fn take(
        &self,
        events: Vec<IngestedEvent>,
        notes: Vec<(String, Option<String>)>,
    ) -> Result<(), AcceptError> {
        self.wait_for_room().await;
        let jobs: Vec<NewJob> = events.into_iter().map(|one| self.job(one)).collect();
        let refused = jobs.iter().filter(|job| job.dead.is_some()).count();
        let new = NewJobs {
            jobs,
            notes,
            ..NewJobs::default()
        };
        let accepted = Rc::clone(&self.queue).enqueue(new).await?;
        let known = |one: &&crate::job::Accepted| matches!(one, crate::job::Accepted::Known(_));
        let repeated = accepted.iter().filter(known).count();
        self.taken.update(|count| count + accepted.len() as u64);
        self.repeated.update(|count| count + repeated as u64);
        self.refused.update(|count| count + refused as u64);
        Ok(())
    }

    /// The queue it puts events into.
    #[must_use]
    pub fn queue(&self) -> &Rc<dyn JobQueue> {
        &self.queue
    }

    /// Returns the state of the source.
    #[must_use]
    pub fn view(&self) -> SourceView {
        SourceView {
            name: self.name.clone(),
            function: self.function.clone(),
            health: self.health.borrow().clone(),
            taken: self.taken.get(),
            repeated: self.repeated.get(),
            refused: self.refused.get(),
        }
    }

    /// Events that wait at the source cost nothing here. There is no event for room in the queue,
    /// since nothing else needs one.
    async fn wait_for_room(&self) {
        let max_bytes = self.policy.queue_bytes;
        while self.queue.has_enough(&self.function, max_bytes) {
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    fn job(&self, taken: IngestedEvent) -> NewJob {
        let IngestedEvent { event, key, order } = taken;
        let headers = event.headers();
        let size = event.data.len() as u64;
        let too_large = size > self.limit;
        let dead = too_large.then(|| {
            let limit = self.limit;
            format!(
                "the event has {size} bytes, and `body_limit` of /{} is {limit}",
                self.function
            )
        });
        NewJob {
            function: self.function.clone(),
            trigger: self.trigger,
            path: format!("/{}", self.function),
            headers,
            body: if too_large {
                bytes::Bytes::new()
            } else {
                event.data
            },
            order,
            key: Some(format!("{} {key}", self.name)),
            keep_key_ms: millis(self.policy.keep_keys),
            max_age_ms: millis(self.policy.max_age),
            dead,
        }
    }
}

/// Reads a source until dropped, again and again: after each failure later, as the policy says.
pub async fn keep(
    mut source: Box<dyn Source>,
    intake: Rc<Ingest>,
    tell: impl Fn(bool, String) + 'static,
) {
    let tell: Rc<OnSourceMessage> = Rc::new(tell);
    intake.tell.replace(Some(Rc::clone(&tell)));
    let mut attempts = 0;
    loop {
        let began = Instant::now();
        let read = source.read(&intake).await;
        if began.elapsed() >= WELL {
            attempts = 0;
        }
        attempts += 1;
        let why = read.err().map_or_else(|| "it was closed".to_owned(), chain);
        let pause = intake.policy.pause(attempts, rand::random());
        // At most half a minute: somebody may be waiting for a server to come back.
        let pause = pause.min(Duration::from_secs(30));
        let next = intake.queue.clock().now_ms().saturating_add(millis(pause));
        let name = source.name();
        if attempts == 1 {
            let function = &intake.function;
            tell(
                true,
                format!("{name}, a source of /{function}, cannot be read: {why}"),
            );
        }
        intake.health.replace(SourceHealth::Unreachable {
            why,
            attempts,
            next: rfc3339(next).unwrap_or_default(),
        });
        tokio::time::sleep(pause).await;
    }
}

fn chain(error: SourceError) -> String {
    let mut text = fnlocal_api::chain(&*error);
    text.truncate(text.floor_char_boundary(MAX_WHY_BYTES));
    text
}
