//! Random events by the million.

use crate::common::random::Random;

/// Everything that can happen must have happened, or the run proves little.
const SEEN: [&str; 31] = [
    "Start",
    "Prime",
    "Assign",
    "Dispatch",
    "Pause",
    "Resume",
    "Stop",
    "Refuse",
    "Switched",
    "Warm",
    "Spare",
    "Cold",
    "Queued",
    "StopIdle",
    "StopOldCode",
    "StopRemoved",
    "StopMemory",
    "StopTimeout",
    "StopBroken",
    "StopUnanswered",
    "Abandon",
    "RefuseUnknownFunction",
    "RefuseBrokenCode",
    "RefuseRateLimited",
    "RefuseThrottled",
    "RefuseQueueFull",
    "RefuseQueueTimeout",
    "RefuseTimeout",
    "RefuseInstanceDied",
    "RefuseStartFailed",
    "Drained",
];

#[test]
fn a_million_random_events_break_no_invariant_and_every_request_ends() {
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for seed in 0..200 {
        let mut random = Random::new(seed);
        random.world.keep_trace = false;
        random.world.check_every = 3;
        random.failing = [0, 5, 30][seed as usize % 3];
        random.silent = [0, 0, 0, 3][seed as usize % 4];
        for _ in 0..5_000 {
            random.step();
        }
        random.live_on();
        for (name, count) in random.world.counts {
            *counts.entry(name).or_default() += count;
        }
    }
    for name in SEEN {
        assert!(
            counts.contains_key(name),
            "{name} never happened: {counts:#?}"
        );
    }
    println!("{counts:#?}");
}
