//! The rate at which an instance may report and print. Excess output is read later, so that a flood
//! waits in the instance and not on the thread that serves all of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Bytes a second that all floods together may have.
const RATE: u64 = 4 << 20;
/// The cost of a line besides its bytes, in bytes.
const LINE_COST: u64 = 256;
/// How far ahead of the rate a burst may be: 2 MiB.
const BURST: Duration = Duration::from_millis(500);

/// Budgets that are used up: they share the rate.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// The budget of one instance's reports, or of its output.
#[derive(Debug)]
pub struct RateBudget {
    /// When everything that was spent would have been read at the rate.
    due: Instant,
}

impl Default for RateBudget {
    fn default() -> Self {
        Self {
            due: Instant::now(),
        }
    }
}

impl RateBudget {
    /// Spends bytes in a number of lines, and waits if that is more than there is. Returns whether it
    /// waited.
    pub async fn spend(&mut self, bytes: usize, lines: usize) -> bool {
        let sharers = u64::from(WAITING.load(Ordering::Relaxed)) + 1;
        let wait = self.charge(Instant::now(), bytes, lines, sharers);
        if wait.is_zero() {
            return false;
        }
        let _one = BudgetUser::begin();
        sleep(wait).await;
        true
    }

    fn charge(&mut self, now: Instant, bytes: usize, lines: usize, sharers: u64) -> Duration {
        let cost = (lines as u64)
            .saturating_mul(LINE_COST)
            .saturating_add(bytes as u64);
        let micros = cost.saturating_mul(sharers).saturating_mul(1_000_000) / RATE;
        self.due = self.due.max(now) + Duration::from_micros(micros);
        self.due.saturating_duration_since(now + BURST)
    }
}

/// Counts a budget that is used up until dropped.
struct BudgetUser;

impl BudgetUser {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for BudgetUser {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_a_flood_is_slowed_to_the_rate_and_short_lines_cost_extra() {
        let now = Instant::now();
        let mut budget = RateBudget { due: now };
        assert_eq!(budget.charge(now, 1 << 20, 100, 1), Duration::ZERO);
        let flood: Duration = (0..64)
            .map(|_| budget.charge(now, 1 << 20, 0, 1))
            .max()
            .unwrap();
        assert!(
            flood > Duration::from_secs(15) && flood < Duration::from_secs(17),
            "{flood:?}"
        );
        let mut lines = RateBudget { due: now };
        assert!(lines.charge(now, 16 << 10, 16 << 10, 1) > Duration::from_millis(200));
        let later = now + Duration::from_secs(60);
        assert_eq!(
            budget.charge(later, 1 << 20, 100, 1),
            Duration::ZERO,
            "it is forgiven"
        );
    }

    #[test]
    fn floods_share_the_rate() {
        let now = Instant::now();
        let wait = |sharers| RateBudget { due: now }.charge(now, 8 << 20, 0, sharers) + BURST;
        assert_eq!(wait(4), wait(1) * 4);
    }
}
