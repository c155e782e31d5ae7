//! Rates, bursts and the limits of other platforms.

use crate::common::*;
use fnlocal_core::time::Duration;
use fnlocal_core::{
    Effect, Event, Excess, FunctionId, FunctionLimits, NodeLimits, OverRate, Profile, RefuseReason,
    RequestId, StartKind,
};

fn shaped() -> FunctionLimits {
    FunctionLimits {
        rps: Some(10),
        burst: Some(1),
        over_rate: OverRate::Queue,
        ..FunctionLimits::default()
    }
}

fn outcomes(world: &mut World, ids: std::ops::Range<u64>) -> Vec<Effect> {
    ids.flat_map(|id| world.ask(id, F)).collect()
}

#[test]
fn a_burst_above_the_rate_is_served_immediately_and_the_rest_is_refused() {
    let limits = FunctionLimits {
        rps: Some(2),
        burst: Some(5),
        concurrency: 100,
        ..FunctionLimits::default()
    };
    let (mut world, _) = World::warm(node_limits(), &limits);
    world.ms(5_000);
    let effects = outcomes(&mut world, 1..8);
    assert_eq!(dispatched(&effects).len(), 5);
    let rate_limited = RefuseReason::RateLimited;
    assert_eq!(refused(&effects), [(6, rate_limited), (7, rate_limited)]);
}

#[test]
fn requests_over_the_rate_are_queued_if_configured() {
    let (mut world, instance) = World::warm(node_limits(), &shaped());
    world.ms(1_000);
    assert_eq!(
        dispatched(&world.ask(1, F)),
        [(1, instance, StartKind::Warm)]
    );
    world.finish(1);
    assert_eq!(world.ask(2, F), []);
    assert_eq!(world.ask(3, F), []);
    assert_eq!(world.ms(99), []);
    assert_eq!(dispatched(&world.ms(1)), [(2, instance, StartKind::Warm)]);
    world.finish(2);
    assert_eq!(dispatched(&world.ms(100)), [(3, instance, StartKind::Warm)]);
}

#[test]
fn rate_limited_requests_are_queued_up_to_the_queue_size_and_deadline() {
    let few = FunctionLimits {
        queue: 2,
        ..shaped()
    };
    let (mut world, _) = World::warm(node_limits(), &few);
    world.ms(1_000);
    let effects = outcomes(&mut world, 1..6);
    let limited = RefuseReason::RateLimited;
    assert_eq!(refused(&effects), [(4, limited), (5, limited)]);

    let short = FunctionLimits {
        queue_timeout: Duration::from_millis(150),
        ..shaped()
    };
    let (mut world, _) = World::warm(node_limits(), &short);
    world.ms(1_000);
    let effects = outcomes(&mut world, 1..4);
    assert_eq!(refused(&effects), [(3, limited)], "its turn is in 200 ms");
}

#[test]
fn a_queued_rate_limited_request_whose_client_disconnects_is_dropped() {
    let (mut world, _) = World::warm(node_limits(), &shaped());
    world.ms(1_000);
    world.ask(1, F);
    world.ask(2, F);
    let request = RequestId(2);
    assert_eq!(world.tell(Event::ClientGone { request }), []);
    world.finish(1);
    assert_eq!(dispatched(&world.ms(500)), []);
}

#[test]
fn removing_a_function_refuses_its_queued_rate_limited_requests() {
    let (mut world, _) = World::warm(node_limits(), &shaped());
    world.ms(1_000);
    world.ask(1, F);
    world.ask(2, F);
    let effects = world.tell(Event::PackageRemoved { package: P });
    assert_eq!(refused(&effects), [(2, RefuseReason::UnknownFunction)]);
}

#[test]
fn requests_over_the_nodes_rate_are_queued_if_configured() {
    let node = NodeLimits {
        rps: Some(10),
        burst: Some(1),
        over_rate: OverRate::Queue,
        ..node_limits()
    };
    let (mut world, instance) = World::warm(node, &FunctionLimits::default());
    world.ms(1_000);
    world.ask(1, F);
    world.finish(1);
    assert_eq!(world.ask(2, F), []);
    assert_eq!(dispatched(&world.ms(100)), [(2, instance, StartKind::Warm)]);
}

#[test]
fn starts_beyond_the_start_rate_are_delayed() {
    let limits = FunctionLimits {
        start_rate: Some(2),
        ..FunctionLimits::default()
    };
    let node = NodeLimits {
        parallel_starts: 10,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits)]);
    let effects = outcomes(&mut world, 1..5);
    assert_eq!(started(&effects).len(), 2);
    assert_eq!(started(&world.ms(4_999)).len(), 0);
    assert_eq!(started(&world.ms(1)).len(), 1, "two in ten seconds, evenly");
    assert_eq!(started(&world.ms(5_000)).len(), 1);
}

#[test]
fn a_throttled_request_gets_a_new_instance_or_a_refusal_and_never_queues() {
    let limits = Profile::Lambda.impose(FunctionLimits {
        max_instances: 3,
        ..FunctionLimits::default()
    });
    let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
    let effects = outcomes(&mut world, 1..6);
    assert_eq!(
        refused(&effects),
        [(4, RefuseReason::Throttled), (5, RefuseReason::Throttled)],
        "three may be started, though only two at once on this machine"
    );
    assert_eq!(started(&effects).len(), 2);
}

#[test]
fn the_instance_limit_of_an_account_is_shared_by_its_functions() {
    let limits = Profile::Lambda.function();
    let account = NodeLimits {
        max_instances: 2,
        spares: 0,
        parallel_starts: 10,
        ..node_limits()
    };
    let specs = [spec(F, &limits), spec(G, &limits)];
    let mut world = World::bare(Profile::Lambda.node(account), &specs);
    assert_eq!(started(&world.ask(1, F)).len(), 1);
    assert_eq!(started(&world.ask(2, G)).len(), 1);
    assert_eq!(
        refused(&world.ask(3, FunctionId(1))),
        [(3, RefuseReason::Throttled)]
    );
}

#[test]
fn the_cloud_run_profile_queues_for_ten_seconds_or_3_5_starts_and_then_answers_429() {
    let limits = FunctionLimits {
        concurrency: 1,
        max_instances: 1,
        timeout: Duration::from_secs(300),
        ..Profile::CloudRun.function()
    };
    for (boot, wait) in [(100, 10_000), (8_000, 28_000)] {
        let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
        // The average starts with a guess, so that it takes a while to be what starts take.
        for id in 100..150 {
            let instance = started(&world.ask(id, F))[0];
            world.ms(boot);
            world.ready(instance);
            world.finish(id);
            world.tell(Event::InstanceDied { instance });
            world.ms(1);
        }
        world.ask(1, F);
        let instance = *world.machines.keys().last().expect("one is being started");
        world.ms(boot);
        world.ready(instance);
        assert_eq!(world.ask(2, F), []);
        assert_eq!(refused(&world.ms(wait * 9 / 10)), [], "{boot}");
        assert_eq!(
            refused(&world.ms(wait * 2 / 10)),
            [(2, RefuseReason::Throttled)],
            "{boot}"
        );
    }
}

#[test]
fn profiles_have_the_documented_limits() {
    let lambda = Profile::Lambda;
    assert_eq!(lambda.function().max_instances, 1000);
    assert_eq!(lambda.function().start_rate, Some(1000));
    assert_eq!(lambda.function().excess, Excess::Throttle);
    assert_eq!(lambda.function().queue, 0);
    assert_eq!(lambda.payload().response, Some(6 * 1024 * 1024));
    assert_eq!(lambda.node(NodeLimits::default()).max_instances, 1000);
    let cloud_run = Profile::CloudRun;
    assert_eq!(cloud_run.function().max_instances, 100);
    assert_eq!(cloud_run.function().queue_starts, 350);
    assert_eq!(cloud_run.function().queue_timeout.as_secs(), 10);
    for profile in Profile::ALL {
        assert!(profile.function().validate().is_ok(), "{profile}");
        assert_eq!(profile.name().parse(), Ok(profile));
    }
    assert_eq!(
        Profile::Fnlocal.impose(shaped()),
        shaped(),
        "ours imposes nothing"
    );
}
