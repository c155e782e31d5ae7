//! The requests an instance may report on: those it serves, and those it served recently.
//!
//! The check of an instance's reports, which are the word of other people's code. An instance may
//! report on its own requests only, and the end of each once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The maximum number of ended requests an instance may still report on. Reports come in batches,
/// 50 ms after the answer and more; an instance ends some thousand requests a second at most.
const MAX_RECENT: usize = 1024;

/// The requests of one instance.
#[derive(Default)]
pub(super) struct ServedRequests {
    #[allow(
        clippy::disallowed_types,
        reason = "on the hot path, and never iterated"
    )]
    known: std::collections::HashMap<Arc<str>, ServedSpan>,
    /// Ended requests, the first ended first, with the number of their end.
    recent: VecDeque<(u64, Arc<str>)>,
    ends: u64,
}

struct ServedSpan {
    since: Instant,
    /// The number of its end; `None` while it runs.
    end: Option<u64>,
    done: bool,
}

impl ServedRequests {
    /// A request is sent to the instance. A job that is run again has the name it had before.
    pub fn begin(&mut self, name: &Arc<str>) {
        let known = ServedSpan {
            since: Instant::now(),
            end: None,
            done: false,
        };
        self.known.insert(Arc::clone(name), known);
    }

    /// A request ended, whatever became of it.
    pub fn end(&mut self, name: &Arc<str>) {
        let Some(known) = self.known.get_mut(name) else {
            return;
        };
        self.ends += 1;
        known.end = Some(self.ends);
        self.recent.push_back((self.ends, Arc::clone(name)));
        if self.recent.len() <= MAX_RECENT {
            return;
        }
        if let Some((end, oldest)) = self.recent.pop_front()
            && self
                .known
                .get(&oldest)
                .is_some_and(|one| one.end == Some(end))
        {
            self.known.remove(&oldest);
        }
    }

    /// Returns whether the instance may report on a request.
    pub fn knows(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// Takes the one report of a request's end. Returns the time since the request was sent, or
    /// `None` if the request is not the instance's or its end was reported before.
    pub fn done(&mut self, name: &str) -> Option<Duration> {
        let known = self.known.get_mut(name)?;
        if std::mem::replace(&mut known.done, true) {
            return None;
        }
        Some(known.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Arc<str> {
        format!("r{number}").into()
    }

    #[test]
    fn an_instance_reports_only_on_its_own_requests_and_each_end_counts_once() {
        let mut served = ServedRequests::default();
        served.begin(&name(1));
        assert!(served.knows("r1") && !served.knows("r2"));
        assert!(served.done("r1").is_some(), "before its answer has ended");
        assert!(served.done("r1").is_none(), "twice");
        assert!(served.done("r2").is_none(), "another instance's");
        served.end(&name(1));
        assert!(served.knows("r1"), "reports come after the answer");
    }

    #[test]
    fn recently_ended_requests_are_bounded_and_running_ones_are_never_forgotten() {
        let mut served = ServedRequests::default();
        served.begin(&name(0));
        for number in 1..=10 * MAX_RECENT {
            served.begin(&name(number));
            served.end(&name(number));
        }
        assert!(served.knows("r0") && !served.knows("r1"));
        assert_eq!(served.recent.len(), MAX_RECENT);
        assert_eq!(served.known.len(), MAX_RECENT + 1);
    }

    #[test]
    fn a_retried_job_with_the_same_name_stays_known_while_it_runs() {
        let mut served = ServedRequests::default();
        served.begin(&name(0));
        served.end(&name(0));
        served.begin(&name(0));
        for number in 1..=2 * MAX_RECENT {
            served.begin(&name(number));
            served.end(&name(number));
        }
        assert!(served.done("r0").is_some());
    }
}
