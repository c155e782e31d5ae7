//! An unanswered call holds nothing for ever.

use crate::common::random::Random;
use crate::common::*;
use fnlocal_core::time::Duration;
use fnlocal_core::{Effect, Event, FunctionLimits, NodeLimits, RefuseReason, StopReason};
use proptest::prelude::*;

/// Longer than any deadline of an answer.
const LONG: Duration = Duration::from_secs(600);

fn one_instance() -> FunctionLimits {
    FunctionLimits {
        max_instances: 1,
        ..FunctionLimits::default()
    }
}

fn abandoned(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Abandon { .. }))
}

/// Passes one deadline after another until something is stopped.
fn until_stopped(world: &mut World) -> Vec<Effect> {
    while let Some(at) = world.node.next_deadline() {
        let effects = world.pass(at.since(world.now));
        if !stops(&effects).is_empty() {
            return effects;
        }
    }
    panic!("nothing was given up: {:#?}", world.node.view(world.now));
}

#[test]
fn an_unanswered_assign_is_abandoned_and_the_next_request_is_served() {
    let mut world = World::bare(node_limits(), &[spec(F, &one_instance())]);
    let silent = started(&world.ask(1, F))[0];
    world.boot(silent);
    let effects = until_stopped(&mut world);
    assert_eq!(stops(&effects), [(silent, StopReason::Unanswered)]);
    assert_eq!(world.counts.get("RefuseQueueTimeout"), Some(&1));
    world.stopped(silent);
    let mut effects = world.ask(2, F);
    effects.extend(world.ms(6_000));
    let next = started(&effects)[0];
    assert_eq!(dispatched(&world.ready(next))[0].0, 2);
}

#[test]
fn a_waiting_request_gets_another_instance_after_an_unanswered_assign() {
    let limits = FunctionLimits {
        queue_timeout: LONG,
        ..one_instance()
    };
    let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
    let silent = started(&world.ask(1, F))[0];
    world.boot(silent);
    until_stopped(&mut world);
    world.stopped(silent);
    let next = started(&world.ms(6_000))[0];
    assert_eq!(dispatched(&world.ready(next))[0].0, 1);
}

#[test]
fn waiting_requests_are_refused_if_no_assign_is_ever_answered() {
    let limits = FunctionLimits {
        queue_timeout: Duration::from_secs(3600),
        ..one_instance()
    };
    let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
    let mut starting = started(&world.ask(1, F));
    for _ in 0..10 {
        let Some(silent) = starting.pop() else { break };
        world.boot(silent);
        let effects = until_stopped(&mut world);
        if !refused(&effects).is_empty() {
            assert_eq!(refused(&effects), [(1, RefuseReason::StartFailed)]);
            return;
        }
        world.stopped(silent);
        starting = started(&world.ms(10_000));
    }
    panic!("it waits for ever: {:#?}", world.node.view(world.now));
}

#[test]
fn an_unanswered_start_is_stopped_and_counts_as_failed() {
    let mut world = World::bare(node_limits(), &[spec(F, &one_instance())]);
    let silent = started(&world.ask(1, F))[0];
    let effects = until_stopped(&mut world);
    assert_eq!(stops(&effects), [(silent, StopReason::Unanswered)]);
    assert_eq!(world.node.view(world.now).packages[0].failed_starts, 1);
    assert_eq!(world.boot(silent), [], "it comes too late");
    world.stopped(silent);
    assert_eq!(world.node.view(world.now).memory_promised_mib, 0);
}

#[test]
fn an_unanswered_import_of_new_code_is_retried_on_another_instance() {
    let mut world = World::new(node_limits());
    let effects = world.tell(Event::CodeChanged {
        rebuilt: false,
        package: P,
        code: X,
    });
    let silent = started(&effects)[0];
    world.boot(silent);
    let effects = until_stopped(&mut world);
    assert_eq!(stops(&effects), [(silent, StopReason::Unanswered)]);
    let next = started(&effects)[0];
    world.boot(next);
    world.primed(next, X, &[spec(F, &one_instance())]);
    assert_eq!(world.node.view(world.now).functions.len(), 1);
}

#[test]
fn an_unanswered_pause_or_resume_stops_the_instance() {
    let (mut world, silent) = World::warm(node_limits(), &one_instance());
    let effects = until_stopped(&mut world);
    assert_eq!(stops(&effects), [(silent, StopReason::Unanswered)]);

    let (mut world, silent) = World::warm(node_limits(), &one_instance());
    world.ms(11_000);
    world.tell(Event::Paused { instance: silent });
    world.ask(2, F);
    let effects = until_stopped(&mut world);
    assert_eq!(stops(&effects), [(silent, StopReason::Unanswered)]);
    world.stopped(silent);
    let next = started(&world.ask(3, F))[0];
    assert_eq!(dispatched(&world.ready(next))[0].0, 3);
}

#[test]
fn an_unanswered_stop_is_abandoned_and_does_not_block_the_drain() {
    let (mut world, silent) = World::warm(node_limits(), &one_instance());
    assert_eq!(
        stops(&world.tell(Event::Drain)),
        [(silent, StopReason::Drain)]
    );
    let effects = world.pass(LONG);
    assert!(abandoned(&effects), "{effects:?}");
    assert!(effects.contains(&Effect::Drained), "{effects:?}");
    assert_eq!(world.stopped(silent), [], "it comes too late");
}

#[test]
fn an_answer_in_time_cancels_its_deadline() {
    let limits = NodeLimits {
        spares: 0,
        ..node_limits()
    };
    let (mut world, instance) = World::warm(limits, &one_instance());
    world.ms(11_000);
    world.tell(Event::Paused { instance });
    let effects = world.pass(Duration::from_secs(500));
    assert_eq!(stops(&effects), [], "it is paused, and owes nothing");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200,
        failure_persistence: None, ..ProptestConfig::default() })]

    /// Any part of the answers may never come: every request still ends, and so does the node.
    #[test]
    fn every_request_and_the_node_end_even_if_answers_never_arrive(
        seed: u64, silent in 1_u64..100, steps in 1_usize..400
    ) {
        let mut random = Random::new(seed);
        random.silent = silent;
        for _ in 0..steps {
            random.step();
        }
        random.live_on();
    }
}
