//! Schedules, live: puts a job into the queue whenever a function is due.
//!
//! The time of a function's last look is kept in the queue's file, in the same commit as the jobs,
//! and every job carries function and due time as its idempotency key. So a due time makes one run,
//! on any node and for any number of fires.
//!
//! Nodes with queues of their own share no key. One of them owns a schedule and fires it; it
//! reports to the others up to when it has looked ([`Clockwork::looked`]), and the next owner of
//! the schedule goes on from there ([`Owned`]). Times that the last owner fired without a report
//! are fired again: at least once, as everything here.
//!
//! The clock may jump. Forward, what was jumped over was missed, and the schedule's policy decides.
//! Back, what comes a second time does not run again, thanks to the key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fnlocal_core::trigger::AsyncPolicy;
use tokio::sync::Notify;

use crate::event::{SourceEvent, rfc3339};
use crate::job::{NewJob, Trigger};
use crate::job_queue::{JobQueue, NewJobs};
use crate::queue::{AcceptError, Queue, millis};
use crate::schedule::Schedule;
use crate::store::QueueStoreError;

/// Longest sleep: a clock that was set is noticed after so long at the latest.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// Times due longer ago, in milliseconds, were missed, not late.
pub const LATE: u64 = 60_000;
/// A clock that differs from the time that passed by more was set.
const JUMP: u64 = 5_000;
/// Pause after the queue could not be written.
const WRITE_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The beginning of the names of schedules' notes in the queue's file.
const NOTE: &str = "schedule\0";

/// Fires schedules.
pub struct Clockwork {
    queue: Rc<Queue>,
    schedules: RefCell<BTreeMap<String, Timed>>,
    /// The schedule that is being fired.
    firing: RefCell<Option<String>>,
    changed: Notify,
    /// Returns whether this node fires a function.
    owns: Box<Owns>,
    /// Lines for people: something is wrong, and what.
    tell: Box<dyn Fn(bool, String)>,
}

struct Timed {
    schedule: Schedule,
    policy: AsyncPolicy,
    /// When it was last looked at, in milliseconds since 1970; none before its note was read.
    looked: Option<u64>,
}

/// Says whether a function's schedule is this node's.
type Owns = dyn Fn(&str) -> Option<Owned>;

/// A schedule that is this node's to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Up to when other nodes have fired it, in milliseconds since 1970; none if none said so.
    pub since: Option<u64>,
}

impl Clockwork {
    /// Fires into `queue` the schedules that `owns` gives to this node. `tell` receives the events
    /// that are worth a line, and whether something is wrong.
    #[must_use]
    pub fn new(
        queue: Rc<Queue>,
        owns: impl Fn(&str) -> Option<Owned> + 'static,
        tell: impl Fn(bool, String) + 'static,
    ) -> Rc<Self> {
        Rc::new(Self {
            queue,
            schedules: RefCell::default(),
            firing: RefCell::default(),
            changed: Notify::new(),
            owns: Box::new(owns),
            tell: Box::new(tell),
        })
    }

    /// These are the schedules from now on, by function.
    pub fn set(&self, wanted: Vec<(String, Schedule, AsyncPolicy)>) {
        let mut schedules = self.schedules.borrow_mut();
        let mut before = std::mem::take(&mut *schedules);
        for (function, schedule, policy) in wanted {
            let looked = before.remove(&function).and_then(|old| old.looked);
            let timed = Timed {
                schedule,
                policy,
                looked,
            };
            schedules.insert(function, timed);
        }
        self.changed.notify_one();
    }

    /// When each function is due next, in milliseconds since 1970.
    #[must_use]
    pub fn next(&self) -> BTreeMap<String, Option<u64>> {
        let now = self.queue.clock().now_ms();
        let schedules = self.schedules.borrow();
        let next = schedules.iter();
        next.map(|(function, timed)| (function.clone(), timed.schedule.next(now)))
            .collect()
    }

    /// Looks once more, soon: what it owns may be something else.
    pub fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Returns the time up to which each function was looked at here, in milliseconds since 1970;
    /// `None` before its first look. Everything due until then is on the disk.
    #[must_use]
    pub fn looked(&self) -> BTreeMap<String, Option<u64>> {
        let schedules = self.schedules.borrow();
        let looked = schedules.iter();
        looked
            .map(|(function, timed)| (function.clone(), timed.looked))
            .collect()
    }

    /// Returns whether a function's schedule is being fired: due jobs may be on the disk already
    /// before [`Clockwork::looked`] says so.
    #[must_use]
    pub fn is_firing(&self, function: &str) -> bool {
        self.firing.borrow().as_deref() == Some(function)
    }

    /// Fires until dropped.
    pub async fn run(self: Rc<Self>) {
        let mut seen: Option<(u64, Instant)> = None;
        let mut failing = false;
        loop {
            let now = self.queue.clock().now_ms();
            self.notice_jump(seen.replace((now, Instant::now())), now);
            let mut pause = MAX_SLEEP;
            if let Err(error) = self.look(now).await {
                if !std::mem::replace(&mut failing, true) {
                    (self.tell)(true, format!("schedules could not be fired: {error}"));
                }
                pause = WRITE_RETRY_PAUSE;
            } else {
                failing = false;
                let next = self.next().into_values().flatten().min();
                let wait = next.map(|next| next.saturating_sub(self.queue.clock().now_ms()));
                pause = wait.map_or(pause, |wait| pause.min(Duration::from_millis(wait)));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn notice_jump(&self, seen: Option<(u64, Instant)>, now: u64) {
        let Some((before, at)) = seen else {
            return;
        };
        let expected = before.saturating_add(millis(at.elapsed()));
        let off = now.abs_diff(expected);
        if off < JUMP || self.schedules.borrow().is_empty() {
            return;
        }
        let way = if now > expected {
            "forward; what was due meanwhile was missed"
        } else {
            "back; what comes due a second time does not run again"
        };
        let seconds = off / 1000;
        (self.tell)(true, format!("the clock was set {seconds} s {way}"));
    }

    /// Fires what is due.
    async fn look(&self, now: u64) -> Result<(), AcceptError> {
        let names: Vec<String> = self.schedules.borrow().keys().cloned().collect();
        for function in names {
            let Some(owned) = (self.owns)(&function) else {
                continue;
            };
            self.firing.replace(Some(function.clone()));
            let fired = self.go_on(&function, owned, now).await;
            self.firing.replace(None);
            fired?;
        }
        Ok(())
    }

    /// Fires a schedule from where this node or another was.
    async fn go_on(&self, function: &str, owned: Owned, now: u64) -> Result<(), AcceptError> {
        let looked = self.known(function).await?;
        let since = match looked {
            // Its first look, or the clock was set back.
            None => now,
            Some(looked) => looked.min(now),
        };
        // A clock that is far ahead of this one's would keep it from ever being due.
        let elsewhere = owned
            .since
            .filter(|since| *since <= now.saturating_add(JUMP));
        let since = match (elsewhere, looked) {
            (Some(elsewhere), Some(looked)) if elsewhere <= looked => since,
            (Some(elsewhere), _) => elsewhere,
            (None, _) => since,
        };
        self.fire(function, since, now).await
    }

    async fn known(&self, function: &str) -> Result<Option<u64>, QueueStoreError> {
        let known = self.schedules.borrow().get(function).map(|one| one.looked);
        match known {
            // Removed meanwhile.
            None => return Ok(None),
            Some(Some(looked)) => return Ok(Some(looked)),
            Some(None) => {}
        }
        let name = format!("{NOTE}{function}");
        let note = self.queue.keeper().read(move |file| file.note(&name));
        Ok(note.await?.and_then(|note| note.parse().ok()))
    }

    async fn fire(&self, function: &str, since: u64, now: u64) -> Result<(), AcceptError> {
        let planned = {
            let known = self.schedules.borrow();
            known.get(function).map(|timed| {
                let due = timed.schedule.to_run(since, now, LATE);
                (due, timed.schedule.overlap, timed.policy.clone())
            })
        };
        // Removed meanwhile.
        let Some((mut due, overlap, policy)) = planned else {
            return Ok(());
        };
        let new = self
            .schedules
            .borrow()
            .get(function)
            .is_some_and(|one| one.looked.is_none());
        if due.is_empty() && !new {
            self.note_looked(function, now);
            return Ok(());
        }
        if !overlap && !due.is_empty() && self.queue.has_scheduled(function) {
            let text = format!("/{function} was due, and its run before has not ended: left out");
            (self.tell)(false, text);
            due.clear();
        }
        let jobs = due
            .iter()
            .map(|at| NewJob {
                // A clock set back by less than a week makes no run twice.
                keep_key_ms: millis(policy.keep_keys).max(7 * 24 * 3_600_000),
                ..scheduled_job(function, *at, overlap, millis(policy.max_age))
            })
            .collect();
        let note = (format!("{NOTE}{function}"), Some(now.to_string()));
        let new = NewJobs {
            jobs,
            notes: vec![note],
            ..NewJobs::default()
        };
        Rc::clone(&self.queue).enqueue(new).await?;
        self.note_looked(function, now);
        Ok(())
    }

    fn note_looked(&self, function: &str, now: u64) {
        if let Some(timed) = self.schedules.borrow_mut().get_mut(function) {
            timed.looked = Some(now);
        }
    }
}

/// Returns the job of a schedule that is due at `at`, in milliseconds since 1970.
#[must_use]
pub fn scheduled_job(function: &str, at: u64, overlap: bool, max_age_ms: u64) -> NewJob {
    let due = rfc3339(at).unwrap_or_default();
    let event = SourceEvent {
        id: format!("{function}@{due}"),
        source: format!("/{function}/schedule"),
        kind: "dev.fnlocal.schedule".to_owned(),
        subject: None,
        time_ms: Some(at),
        content_type: "application/json".to_owned(),
        data: Bytes::from(serde_json::json!({ "due": due }).to_string()),
    };
    NewJob {
        function: function.to_owned(),
        trigger: Trigger::Schedule,
        path: format!("/{function}"),
        headers: event.headers(),
        body: event.data,
        order: (!overlap).then(|| "schedule".to_owned()),
        key: Some(format!("schedule {at}")),
        keep_key_ms: 0,
        max_age_ms,
        dead: None,
    }
}
