//! Recordings can be replayed.

use crate::common::random::Random;
use fnlocal_core::time::Instant;
use fnlocal_core::{Effect, Event, Node, NodeLimits};

#[test]
fn replaying_recorded_events_gives_the_same_effects() {
    for seed in 1000..1010 {
        let mut random = Random::new(seed);
        let limits = random.world.node.view(Instant::START).limits;
        for _ in 0..2_000 {
            random.step();
        }
        random.live_on();
        let trace =
            serde_json::to_string(&(limits, &random.world.trace)).expect("it is plain data");
        let first = play(&trace);
        assert_eq!(first, play(&trace));
        let counted: u64 = random
            .world
            .counts
            .iter()
            .filter(|(name, _)| is_effect(name))
            .map(|(_, n)| n)
            .sum();
        assert_eq!(first.len() as u64, counted);
    }
}

fn play(trace: &str) -> Vec<(Instant, Effect)> {
    let (limits, events): (NodeLimits, Vec<(Instant, Event)>) =
        serde_json::from_str(trace).expect("it was written by us");
    let mut node = Node::new(limits);
    let mut all = Vec::new();
    for (now, event) in events {
        let mut effects = Vec::new();
        node.handle(now, event, &mut effects);
        all.extend(effects.into_iter().map(|effect| (now, effect)));
    }
    all
}

/// The world counts reasons and kinds of start too.
fn is_effect(name: &str) -> bool {
    let names = [
        "Start", "Prime", "Assign", "Dispatch", "Pause", "Resume", "Stop", "Abandon", "Refuse",
    ];
    names.contains(&name) || name == "Switched" || name == "Drained"
}
