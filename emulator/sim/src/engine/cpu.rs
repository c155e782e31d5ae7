//! A node's processors, shared evenly by all that need one.
//!
//! With `n` jobs on `k` processors each runs at the rate `min(1, k/n)`. All run at the same rate, so
//! their progress is one number that grows with it, and a job that needs `w` ends when that number
//! has grown by `w`: egalitarian processor sharing, exact, at the cost of a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::queue::PendingWork;

/// Work per microsecond at full rate. Whole numbers, so that nothing depends on how they are added.
const FULL: u64 = 1 << 20;

/// The processors of one node.
#[derive(Debug)]
pub(super) struct Cpu {
    cores: u64,
    /// Work done per job that has been there throughout.
    progress: u64,
    /// When that was.
    at: u64,
    jobs: BinaryHeap<Reverse<(u64, u64, PendingWork, u64)>>,
    said: u64,
    /// When the queue has been asked to look here again.
    pub(super) armed: Option<u64>,
}

impl Cpu {
    pub(super) fn new(cores: u32) -> Self {
        Self {
            cores: u64::from(cores.max(1)),
            progress: 0,
            at: 0,
            jobs: BinaryHeap::new(),
            said: 0,
            armed: None,
        }
    }

    fn rate(&self) -> u64 {
        let jobs = self.jobs.len() as u64;
        if jobs <= self.cores {
            FULL
        } else {
            FULL * self.cores / jobs
        }
    }

    fn advance(&mut self, now: u64) {
        self.progress += (now - self.at) * self.rate();
        self.at = now;
    }

    /// A job begins that needs a processor for so long, and afterwards waits for so long, both in
    /// microseconds.
    pub(super) fn begin(&mut self, now: u64, work: u64, after: u64, job: PendingWork) {
        self.advance(now);
        self.said += 1;
        let end = self.progress + work * FULL;
        self.jobs.push(Reverse((end, self.said, job, after)));
    }

    /// A job that has had all it needs, with the wait that follows.
    pub(super) fn finished(&mut self, now: u64) -> Option<(PendingWork, u64)> {
        self.advance(now);
        let Reverse((end, ..)) = *self.jobs.peek()?;
        if end > self.progress {
            return None;
        }
        let Reverse((.., job, after)) = self.jobs.pop()?;
        Some((job, after))
    }

    /// When the next job will have had all it needs, if nothing comes or goes.
    pub(super) fn next(&self) -> Option<u64> {
        let Reverse((end, ..)) = self.jobs.peek()?;
        Some(self.at + end.saturating_sub(self.progress).div_ceil(self.rate()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fnlocal_core::InstanceId;

    /// Runs to the end and says when each job ended.
    fn ends(mut cpu: Cpu, mut arrivals: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
        let mut ends = Vec::new();
        let mut number = 0;
        arrivals.reverse();
        loop {
            let coming = arrivals.last().map(|&(at, _)| at);
            let ending = cpu.next();
            match (coming, ending) {
                (Some(at), end) if end.is_none_or(|end| at <= end) => {
                    let (at, work) = arrivals.pop().unwrap();
                    number += 1;
                    cpu.begin(at, work, 0, PendingWork::Boot(InstanceId(number)));
                }
                (_, Some(end)) => {
                    while let Some((PendingWork::Boot(id), _)) = cpu.finished(end) {
                        ends.push((id.0, end));
                    }
                }
                _ => return ends,
            }
        }
    }

    #[test]
    fn jobs_do_not_slow_each_other_down_with_enough_processors() {
        let ends = ends(Cpu::new(2), vec![(0, 100), (0, 50), (60, 30)]);
        assert_eq!(ends, [(2, 50), (3, 90), (1, 100)]);
    }

    #[test]
    fn jobs_on_one_processor_share_it_equally() {
        assert_eq!(
            ends(Cpu::new(1), vec![(0, 100), (0, 100)]),
            [(1, 200), (2, 200)]
        );
        // Alone for 50, then both at half speed until the first has had its 100 at 150.
        assert_eq!(
            ends(Cpu::new(1), vec![(0, 100), (50, 100)]),
            [(1, 150), (2, 200)]
        );
    }

    #[test]
    fn four_jobs_on_two_processors_take_twice_as_long() {
        let ends = ends(Cpu::new(2), vec![(0, 100); 4]);
        assert!(ends.iter().all(|&(_, end)| end == 200), "{ends:?}");
    }

    #[test]
    fn a_thousand_overlapping_jobs_take_their_total_processor_time() {
        let jobs: Vec<(u64, u64)> = (0..1_000).map(|at| (at, 300)).collect();
        let last = ends(Cpu::new(2), jobs).last().map(|&(_, end)| end).unwrap();
        let whole = 1_000 * 300 / 2;
        assert!(
            (whole..whole + whole / 1000 + 300).contains(&last),
            "{last}"
        );
    }
}
