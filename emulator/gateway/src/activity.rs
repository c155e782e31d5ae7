//! When a connection last moved, and which side it waits for: one clock for every state in which
//! a client can leave a connection.
//!
//! hyper's own deadlines begin with the first byte of a request and know nothing of a half preface,
//! an HTTP/2 connection without streams, or streams whose client opens no window. This one counts
//! requests and what passes of their bodies, so bytes that lead to nothing move no deadline.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::head::RequestHead;
use super::refused_head::RefusedHead;

/// Bytes a client may send without a request or a piece of a body coming of them. HTTP/2 leaves at
/// most 1 MiB of bodies unread, and a head has at most 2 MiB.
const MAX_IDLE_BYTES: usize = 4 << 20;
/// How much later than the deadlines inside a request a whole connection is closed, so that the
/// client is still told why.
const BODY_GRACE: Duration = Duration::from_secs(5);

/// The deadlines of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Without a request under way: the time for a whole head, and for an unused connection.
    pub head: Duration,
    /// With requests under way: the time the client may neither send nor take anything.
    pub idle: Duration,
}

/// One connection's state. Shared by its stream, its requests and its task.
pub struct Activity {
    began: Instant,
    /// Milliseconds from `began` to the last move.
    moved: AtomicU64,
    /// Requests whose answer has not ended.
    requests: AtomicU32,
    /// How many requests wait for this side rather than for the client. Below zero while a body is
    /// read on after its answer.
    waits_here: AtomicI32,
    /// Bytes read since the last move.
    idle_bytes: AtomicUsize,
    /// The first byte of the next head has come.
    head_begun: AtomicBool,
    /// A whole head has come.
    has_asked: AtomicBool,
    /// The connection speaks another protocol, which has deadlines of its own.
    switched: AtomicBool,
    reclaimed: Notify,
    /// The part of the next head that has arrived.
    head: Mutex<RequestHead>,
    /// A head that was refused before there was a request of it.
    refused: Mutex<Option<RefusedHead>>,
}

impl Activity {
    /// A connection that begins now.
    pub fn begin() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            waits_here: AtomicI32::new(0),
            idle_bytes: AtomicUsize::new(0),
            head_begun: AtomicBool::new(false),
            has_asked: AtomicBool::new(false),
            switched: AtomicBool::new(false),
            reclaimed: Notify::new(),
            head: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// Counts bytes from the client. Returns `false` when too many led to nothing.
    pub fn read(&self, bytes: usize) -> bool {
        if self.switched.load(Ordering::Relaxed) {
            return true;
        }
        if !self.head_begun.swap(true, Ordering::Relaxed) {
            // A head that begins late on a kept connection has its whole time, once.
            self.touch(Instant::now());
        }
        self.idle_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_IDLE_BYTES
    }

    /// Returns the part of the next head that has arrived. Held within a poll only.
    pub fn head(&self) -> MutexGuard<'_, RequestHead> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the next head was refused.
    pub fn refuse(&self, refused: RefusedHead) {
        *self.refused() = Some(refused);
    }

    /// Returns what is to be written of a refused head, once.
    pub fn take_refused(&self) -> Option<RefusedHead> {
        self.refused().take()
    }

    fn refused(&self) -> MutexGuard<'_, Option<RefusedHead>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// A part of a body passed.
    pub fn pass(&self) {
        self.idle_bytes.store(0, Ordering::Relaxed);
        self.touch(Instant::now());
    }

    /// The stream speaks another protocol from now on.
    pub fn switch(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    /// A request's head is here.
    pub fn request(self: &Arc<Self>) -> RequestUnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.waits_here.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        self.pass();
        RequestUnderWay {
            activity: Arc::clone(self),
            waits_here: true,
        }
    }

    /// Notes whether a body of the client's is waited for.
    pub fn wait_for_client(&self, waits: bool) {
        let change = if waits { -1 } else { 1 };
        self.waits_here.fetch_add(change, Ordering::Relaxed);
    }

    /// How close the connection is to being given up in favour of another one, the least first:
    /// without requests before those with some, those that never asked anything before clients
    /// that did, then the longest idle. `None` while a request waits for this side.
    pub fn rank(&self) -> Option<(bool, bool, Instant)> {
        let busy = self.requests.load(Ordering::Relaxed) > 0;
        let has_asked = self.has_asked.load(Ordering::Relaxed);
        (!busy || self.waits_for_client()).then(|| (busy, has_asked, self.last_move()))
    }

    /// Has the connection closed to make room.
    pub fn reclaim(&self) {
        self.reclaimed.notify_one();
    }

    /// Returns once the connection was reclaimed.
    pub async fn reclaimed(&self) {
        self.reclaimed.notified().await;
    }

    /// Returns once the client has owed something for too long.
    pub async fn overdue(&self, deadlines: Deadlines) {
        let look = deadlines.head.min(deadlines.idle);
        loop {
            let now = Instant::now();
            let due = self.due(deadlines);
            if due.is_some_and(|due| due <= now) {
                return;
            }
            // The deadline may move meanwhile, but no deadline is nearer than that.
            let look = now + look;
            tokio::time::sleep_until(due.map_or(look, |due| due.min(look))).await;
        }
    }

    /// When the connection is to be closed; none while the client owes nothing.
    fn due(&self, deadlines: Deadlines) -> Option<Instant> {
        let limit = if self.requests.load(Ordering::Relaxed) == 0 {
            deadlines.head
        } else if self.waits_for_client() {
            deadlines.idle.saturating_add(BODY_GRACE)
        } else {
            return None;
        };
        Some(self.last_move() + limit)
    }

    fn waits_for_client(&self) -> bool {
        self.waits_here.load(Ordering::Relaxed) <= 0
    }

    fn touch(&self, now: Instant) {
        let since = now.duration_since(self.began).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    fn last_move(&self) -> Instant {
        self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }
}

/// A request until its answer's last byte was taken over, or until it is dropped.
pub struct RequestUnderWay {
    activity: Arc<Activity>,
    waits_here: bool,
}

impl RequestUnderWay {
    /// Notes whether the answer comes from this side next, or has to be taken by the client.
    pub fn waits_here(&mut self, waits: bool) {
        if std::mem::replace(&mut self.waits_here, waits) != waits {
            self.activity.wait_for_client(!waits);
        }
    }

    /// A part of the answer passed.
    pub fn pass(&self) {
        self.activity.pass();
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.waits_here(false);
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
        self.activity.pass();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        head: Duration::from_secs(30),
        idle: Duration::from_secs(60),
    };

    fn due(activity: &Activity) -> Option<u64> {
        let due = activity.due(DEADLINES)?;
        Some(due.duration_since(activity.began).as_secs())
    }

    fn at(activity: &Activity, seconds: u64) {
        activity.touch(activity.began + Duration::from_secs(seconds));
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed() {
        let activity = Activity::begin();
        assert_eq!(due(&activity), Some(30));
        let short = Deadlines {
            head: Duration::from_millis(30),
            ..DEADLINES
        };
        let closed = tokio::time::timeout(Duration::from_secs(20), activity.overdue(short));
        assert!(closed.await.is_ok());
    }

    #[test]
    fn bytes_of_an_unfinished_head_extend_the_deadline_only_once() {
        let activity = Activity::begin();
        assert!(activity.read(1));
        at(&activity, 7);
        for _ in 0..1000 {
            assert!(activity.read(1));
        }
        assert_eq!(due(&activity), Some(37));
    }

    #[test]
    fn a_connection_whose_request_waits_for_its_function_has_no_deadline() {
        let activity = Activity::begin();
        let mut request = activity.request();
        assert_eq!(due(&activity), None);
        assert!(activity.rank().is_none());
        request.waits_here(false);
        at(&activity, 100);
        assert_eq!(due(&activity), Some(165));
        drop(request);
        at(&activity, 200);
        assert_eq!(due(&activity), Some(230));
    }

    #[test]
    fn an_ended_stream_does_not_extend_the_deadline_of_one_that_waits_for_its_client() {
        let activity = Activity::begin();
        let mut untaken = activity.request();
        untaken.waits_here(false);
        drop(activity.request());
        at(&activity, 1);
        assert_eq!(due(&activity), Some(66));
    }

    #[test]
    fn a_flood_without_requests_is_cut_off() {
        let activity = Activity::begin();
        assert!(activity.read(MAX_IDLE_BYTES));
        assert!(!activity.read(1));
        activity.pass();
        assert!(activity.read(MAX_IDLE_BYTES));
        activity.switch();
        assert!(activity.read(1));
    }

    #[test]
    fn the_longest_idle_connection_without_requests_ranks_first() {
        let uploading = Activity::begin();
        let request = uploading.request();
        uploading.wait_for_client(true);
        let [old, young] = [Activity::begin(), Activity::begin()];
        at(&old, 1);
        at(&young, 2);
        let ranks = [&old, &young, &uploading].map(|one| one.rank());
        assert!(ranks[0] < ranks[1] && ranks[1] < ranks[2], "{ranks:?}");
        uploading.wait_for_client(false);
        drop(request);
    }
}
