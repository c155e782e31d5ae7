//! For any seed and any number of failures, invariants hold after every event, and everything ends.

use crate::common::random::Random;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_events_break_no_invariant_and_every_request_ends(seed: u64, failing in 0_u64..60, steps in 1_usize..600) {
        let mut random = Random::new(seed);
        random.failing = failing;
        for _ in 0..steps {
            random.step();
        }
        random.live_on();
    }

    /// Nothing polls: left alone, a node falls silent.
    #[test]
    fn an_idle_node_stops_setting_deadlines(seed: u64, steps in 1_usize..400) {
        let mut random = Random::new(seed);
        random.failing = 0;
        for _ in 0..steps {
            random.step();
        }
        random.answer_everything();
        let mut wakes = 0;
        while random.pass_deadline() {
            random.answer_everything();
            wakes += 1;
            prop_assert!(wakes < 1000, "{:#?}", random.world.node.view(random.world.now));
        }
    }
}
