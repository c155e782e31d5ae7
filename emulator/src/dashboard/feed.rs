//! The events for viewers, made once for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior};

use super::latency::{LatencyQuantiles, RecentLatencies};
use super::tail::LogTail;
use super::{FleetNow, NodeNow, RunNow};
use fnlocal_logs::Archive;

/// Looks a second.
pub(super) const TICKS: u32 = 4;
/// The maximum number of events that wait for a slow reader: two seconds' worth. Such a reader
/// misses older ones.
const WAITING: usize = 16;

/// Something told.
#[derive(Clone, Debug)]
pub(super) struct FeedEvent {
    /// Its kind: `state` or `records`.
    pub kind: &'static str,
    /// JSON in one line.
    pub json: Arc<str>,
}

/// Tells all who look the same.
#[derive(Clone)]
pub(super) struct Feed {
    sender: broadcast::Sender<FeedEvent>,
    wanted: Arc<Notify>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(WAITING),
            wanted: Arc::default(),
        }
    }
}

#[derive(Serialize)]
struct StateEvent<'a> {
    /// Milliseconds since 1970.
    at: u64,
    nodes: &'a BTreeMap<String, NodeNow>,
    fleet: Option<&'a FleetNow>,
    /// Of the last second, by function; of all under an empty name.
    latency: BTreeMap<&'a str, LatencyQuantiles>,
    /// Errors since the run began.
    errors: u64,
}

impl Feed {
    /// Returns the events from now on.
    pub fn subscribe(&self) -> impl Stream<Item = FeedEvent> + use<> {
        let receiver = self.sender.subscribe();
        self.wanted.notify_one();
        stream::unfold(receiver, async |mut receiver| {
            loop {
                match receiver.recv().await {
                    Ok(told) => return Some((told, receiver)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
    }

    /// Tells what there is until dropped, and rests while nobody looks.
    pub async fn run(&self, now: &impl Fn() -> RunNow, archive: Option<Archive>) {
        loop {
            while self.sender.receiver_count() == 0 {
                self.wanted.notified().await;
            }
            self.watched(now, archive.as_ref()).await;
        }
    }

    /// Sends events until there is no viewer any more.
    async fn watched(&self, now: &impl Fn() -> RunNow, archive: Option<&Archive>) {
        let mut looks = Looks {
            tail: match archive {
                Some(archive) => LogTail::at_the_end(archive.folder().to_owned()).await,
                None => None,
            },
            latencies: RecentLatencies::default(),
        };
        let mut ticks = ticks();
        while self.sender.receiver_count() > 0 {
            ticks.tick().await;
            let now = now();
            let errors = archive.map_or(0, |archive| archive.totals().errors.iter().sum());
            // Only the picture is taken here, on the gateway's thread: writing it out is not.
            let Ok((told, back)) = spawn_blocking(move || looks.look(&now, errors)).await else {
                return;
            };
            looks = back;
            for told in told {
                // The viewer may have left meanwhile.
                let _nobody = self.sender.send(told);
            }
        }
    }
}

/// The state between two looks.
struct Looks {
    /// None when the log cannot be read.
    tail: Option<LogTail>,
    latencies: RecentLatencies,
}

impl Looks {
    /// Returns the news.
    fn look(mut self, now: &RunNow, errors: u64) -> (Vec<FeedEvent>, Self) {
        let mut told = Vec::new();
        if let Some(mut tail) = self.tail.take()
            && let Ok(mut read) = tail.read()
        {
            self.tail = Some(tail);
            self.latencies.turn(std::mem::take(&mut read.latencies));
            if !read.records.is_empty() || read.skipped > 0 {
                told.push(FeedEvent::new("records", read.json()));
            }
        }
        let state = StateEvent {
            at: millis(),
            nodes: &now.nodes,
            fleet: now.fleet.as_ref(),
            latency: self.latencies.quantiles(),
            errors,
        };
        let json = serde_json::to_string(&state).expect("plain numbers and texts");
        told.push(FeedEvent::new("state", json));
        (told, self)
    }
}

impl FeedEvent {
    fn new(kind: &'static str, json: String) -> Self {
        Self {
            kind,
            json: json.into(),
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / TICKS);
    // A machine that is busy gets fewer, not the same in a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Milliseconds since 1970.
pub(super) fn millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
