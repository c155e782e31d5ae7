//! How much of a node triggered work may take: it shares the pools, and requests go first.
//!
//! Triggered work enters the node as any request does, but only when [`admissible`] says so:
//!
//! 1. Nothing while a client's request of the function waits.
//! 2. At most a share of the places the function may ever have, and always at least one.
//! 3. Not far beyond the present places: as many more as may be started at once, so that a long
//!    queue makes a pool grow step by step instead of filling the node with cold starts.
//!
//! So requests always find the rest of the function's places. They wait for triggered work only
//! where a function has one place, and then for one run.

use crate::ids::FunctionId;
use crate::node::Node;

/// The capacity of a node for a function's triggered work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Requests of the function that wait, triggered ones included.
    pub waiting: u32,
    /// Places of instances that are there.
    pub ready: u32,
    /// The maximum number of places of the function: its bound, and what the node's memory allows.
    pub most: u32,
    /// Instances that may be started at once.
    pub starts: u32,
}

/// Triggered work of a function that has entered the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// The number of requests that wait for an instance.
    pub waiting: u32,
    /// The number of requests that run.
    pub running: u32,
}

/// How many more runs may enter now. `share` is in percent.
#[must_use]
pub fn admissible(offer: Capacity, entered: InFlight, share: u32) -> u32 {
    if offer.waiting > entered.waiting {
        return 0;
    }
    let part = u64::from(offer.most) * u64::from(share.min(100)) / 100;
    let part = u32::try_from(part).unwrap_or(u32::MAX).max(1);
    let near = offer.ready.saturating_add(offer.starts).max(1);
    let in_all = entered.waiting.saturating_add(entered.running);
    part.min(near).saturating_sub(in_all)
}

impl Node {
    /// Returns the capacity of the node for a function's triggered work. `None` if the node does
    /// not know the function, or accepts nothing any more.
    #[must_use]
    pub fn offer(&self, function: FunctionId) -> Option<Capacity> {
        let pool = self.pools.get(&function).filter(|_| !self.draining)?;
        let of_memory = pool.limits.memory_mib.max(1);
        // Memory promised to others is theirs; idle instances would be stopped for this function.
        let own = u64::from(of_memory) * pool.live() as u64;
        let others = self.promised_mib.saturating_sub(own);
        let left = u64::from(self.limits.memory_mib).saturating_sub(others);
        let fit = (left / u64::from(of_memory)).min(u64::from(pool.limits.max_instances));
        let most = fit.saturating_mul(pool.slots() as u64);
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Capacity {
            waiting: count((pool.queue.len() + pool.held) as u64),
            ready: self.slots(function),
            most: count(most),
            starts: self.limits.parallel_starts,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offer(waiting: u32, ready: u32, most: u32) -> Capacity {
        Capacity {
            waiting,
            ready,
            most,
            starts: 2,
        }
    }

    #[test]
    fn waiting_requests_take_precedence_over_asynchronous_jobs() {
        let entered = InFlight {
            waiting: 1,
            running: 0,
        };
        assert_eq!(admissible(offer(2, 10, 100), entered, 50), 0);
        assert_eq!(admissible(offer(1, 10, 100), entered, 50), 11);
    }

    #[test]
    fn a_function_with_one_instance_still_runs_asynchronous_jobs() {
        assert_eq!(admissible(offer(0, 0, 1), InFlight::default(), 1), 1);
    }

    proptest! {
        #[test]
        fn admitted_jobs_never_exceed_their_share_or_overtake_waiting_requests(
            waiting in 0u32..50, ready in 0u32..200, most in 0u32..200, starts in 0u32..8,
            own_waiting in 0u32..50, running in 0u32..200, share in 1u32..=100,
        ) {
            let offer = Capacity { waiting, ready, most, starts };
            let entered = InFlight { waiting: own_waiting, running };
            let more = admissible(offer, entered, share);
            if waiting > own_waiting {
                prop_assert_eq!(more, 0);
            }
            if more > 0 {
                let all = more + own_waiting + running;
                prop_assert!(all <= (most * share / 100).max(1));
                prop_assert!(all <= (ready + starts).max(1));
            }
        }
    }
}
