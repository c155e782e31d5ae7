//! Instances come: how many at once, with what room, and what when they do not.

use crate::common::*;
use fnlocal_core::time::Duration;
use fnlocal_core::{
    CodeHash, Effect, Event, FunctionId, FunctionLimits, NodeLimits, PackageId, RefuseReason,
    RequestId, Retry, StartKind, StopReason,
};

fn limits() -> FunctionLimits {
    FunctionLimits::default()
}

/// Returns a node with memory for `count` default instances.
fn room_for(count: u32) -> NodeLimits {
    NodeLimits {
        memory_mib: 512 * count,
        ..node_limits()
    }
}

#[test]
fn parallel_starts_are_limited() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    let mut under_way = Vec::new();
    for request in 0..10 {
        under_way.extend(started(&world.ask(request, F)));
    }
    assert_eq!(under_way.len(), 2);
    assert_eq!(
        started(&world.boot(under_way[0])).len(),
        1,
        "one ends, one begins"
    );
}

#[test]
fn a_function_has_no_more_instances_than_its_maximum() {
    let limits = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
    assert_eq!(started(&world.ask(1, F)).len(), 1);
    assert_eq!(world.ask(2, F), []);
}

#[test]
fn a_node_has_no_more_instances_than_its_maximum() {
    let node = NodeLimits {
        max_instances: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits()), spec(G, &limits())]);
    let instance = started(&world.ask(1, F))[0];
    assert_eq!(world.ask(2, G), []);
    world.ready(instance);
    assert_eq!(
        stops(&world.finish(1)),
        [(instance, StopReason::Memory)],
        "G waits for its place"
    );
    assert_eq!(started(&world.stopped(instance)).len(), 1);
}

#[test]
fn the_least_recently_used_idle_instance_is_evicted_first() {
    let mut world = World::bare(
        room_for(2),
        &[
            spec(F, &limits()),
            spec(G, &limits()),
            spec(FunctionId(3), &limits()),
        ],
    );
    let first = started(&world.ask(1, F))[0];
    world.ready(first);
    world.finish(1);
    world.ms(5);
    let second = started(&world.ask(2, G))[0];
    world.ready(second);
    world.finish(2);
    let effects = world.ask(3, FunctionId(3));
    assert_eq!(stops(&effects), [(first, StopReason::Memory)]);
    assert_eq!(started(&effects), [], "not before its memory is free");
    assert_eq!(started(&world.stopped(first)).len(), 1);
}

#[test]
fn spares_of_other_packages_are_evicted_after_idle_instances() {
    let other = PackageId(2);
    let mut world = World::with(room_for(2), &[spec(F, &limits())]);
    let effects = world.tell(Event::CodeChanged {
        rebuilt: false,
        package: other,
        code: Y,
    });
    let spare = started(&effects)[0];
    world.boot(spare);
    world.primed(spare, Y, &[spec(G, &limits())]);
    world.ms(1);
    let (instance, ..) = assigns(&world.ask(1, F))[0];
    world.assigned(instance);
    let effects = world.ask(2, F);
    assert_eq!(stops(&effects), [(spare, StopReason::Memory)]);
}

#[test]
fn provisioned_instances_are_not_evicted() {
    let kept = FunctionLimits {
        min_instances: 1,
        ..limits()
    };
    let mut world = World::with(room_for(1), &[spec(F, &kept), spec(G, &limits())]);
    let instance = *world.machines.keys().next().expect("the primed one");
    world.assigned(instance);
    assert_eq!(world.ask(1, G), []);
    assert_eq!(
        refused(&world.ms(30_000)),
        [(1, RefuseReason::QueueTimeout)]
    );
}

#[test]
fn nothing_is_evicted_if_it_would_not_free_enough_memory() {
    let large = FunctionLimits {
        memory_mib: 1024,
        ..limits()
    };
    let mut world = World::bare(room_for(2), &[spec(F, &limits()), spec(G, &large)]);
    world.ask(1, F);
    let second = started(&world.ask(2, F))[0];
    world.ready(second);
    world.finish(2);
    assert_eq!(stops(&world.ask(3, G)), [], "the other is busy");
}

#[test]
fn a_function_too_large_for_the_node_is_refused_at_once() {
    let large = FunctionLimits {
        memory_mib: 1024,
        ..limits()
    };
    let mut world = World::with(room_for(1), &[spec(F, &large)]);
    assert_eq!(refused(&world.ask(1, F)), [(1, RefuseReason::StartFailed)]);
}

#[test]
fn a_failing_start_is_retried_with_backoff_and_then_requests_are_refused() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    let mut instance = started(&world.ask(1, F))[0];
    for pause in [100, 200] {
        assert_eq!(world.tell(Event::StartFailed { instance }), []);
        assert_eq!(world.ms(pause - 1), []);
        instance = started(&world.ms(1))[0];
    }
    let effects = world.tell(Event::StartFailed { instance });
    assert_eq!(refused(&effects), [(1, RefuseReason::StartFailed)]);
    assert_eq!(
        refused(&world.ask(2, F)),
        [(2, RefuseReason::StartFailed)],
        "for a while"
    );
    world.ms(400);
    let instance = started(&world.ask(3, F))[0];
    world.boot(instance);
    assert_eq!(dispatched(&world.assigned(instance)).len(), 1);
}

#[test]
fn starts_that_fail_together_count_as_one_failure() {
    let node = NodeLimits {
        parallel_starts: 4,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let starts: Vec<_> = (0..4)
        .flat_map(|request| started(&world.ask(request, F)))
        .collect();
    for instance in starts {
        assert_eq!(world.tell(Event::StartFailed { instance }), []);
    }
    assert_eq!(started(&world.ms(100)).len(), 4);
}

#[test]
fn an_instance_killed_by_its_first_request_is_replaced_without_backoff() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    for request in 0..10 {
        let instance = started(&world.ask(request, F))[0];
        world.ready(instance);
        world.tell(Event::InstanceDied { instance });
        let request = RequestId(request);
        let effects = world.tell(Event::RequestFailed {
            request,
            retry: Retry::No,
        });
        assert_eq!(refused(&effects), [(request.0, RefuseReason::InstanceDied)]);
    }
}

#[test]
fn a_spare_that_boots_before_a_requested_start_serves_and_the_start_becomes_the_spare() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let refill = *world.machines.keys().next().expect("the refill");
    let start = started(&world.ask(1, F))[0];
    assert_eq!(assigns(&world.boot(refill)), [(refill, F, X)]);
    assert_eq!(
        dispatched(&world.assigned(refill)),
        [(1, refill, StartKind::Cold)]
    );
    assert_eq!(world.boot(start), [], "it is the spare now");
    assert_eq!(world.node.view(world.now).packages[0].spares, 1);
}

#[test]
fn a_failed_import_refuses_waiting_requests_and_those_of_the_next_second() {
    let mut world = World::with(node_limits(), &[spec(F, &limits())]);
    let (instance, ..) = assigns(&world.ask(1, F))[0];
    let effects = world.tell(Event::AssignFailed { instance });
    assert_eq!(refused(&effects), [(1, RefuseReason::BrokenCode)]);
    assert_eq!(stops(&effects), [(instance, StopReason::Broken)]);
    world.ms(999);
    assert_eq!(refused(&world.ask(2, F)), [(2, RefuseReason::BrokenCode)]);
    world.ms(1);
    assert_eq!(started(&world.ask(3, F)).len(), 1);
}

#[test]
fn a_request_is_refused_after_three_instances_die_importing() {
    let mut world = World::with(node_limits(), &[spec(F, &limits())]);
    let (mut instance, ..) = assigns(&world.ask(1, F))[0];
    for _ in 0..2 {
        assert_eq!(refused(&world.tell(Event::InstanceDied { instance })), []);
        let effects = world.ms(200);
        instance = started(&effects)[0];
        world.boot(instance);
    }
    let effects = world.tell(Event::InstanceDied { instance });
    assert_eq!(refused(&effects), [(1, RefuseReason::StartFailed)]);
}

#[test]
fn spares_are_refilled_one_at_a_time() {
    let node = NodeLimits {
        spares: 2,
        ..node_limits()
    };
    let mut world = World::new(node);
    let effects = world.tell(Event::CodeChanged {
        rebuilt: false,
        package: P,
        code: X,
    });
    let primer = started(&effects)[0];
    assert_eq!(
        started(&effects).len(),
        1,
        "spares wait for what imports the code"
    );
    let first = started(&world.boot(primer));
    assert_eq!(first.len(), 1);
    let second = started(&world.boot(first[0]));
    assert_eq!(second.len(), 1);
    assert_eq!(started(&world.boot(second[0])), []);
}

#[test]
fn a_used_spare_is_replaced() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let spare = *world.machines.keys().next().expect("the refill");
    world.boot(spare);
    let effects = world.ask(1, F);
    assert_eq!(assigns(&effects), [(spare, F, X)]);
    assert_eq!(started(&effects).len(), 1);
}

#[test]
fn spares_are_not_refilled_while_a_request_waits_for_a_start() {
    let node = NodeLimits {
        spares: 1,
        parallel_starts: 1,
        ..node_limits()
    };
    let mut world = World::bare(
        NodeLimits {
            spares: 0,
            ..node.clone()
        },
        &[spec(F, &limits())],
    );
    let first = started(&world.ask(1, F))[0];
    assert_eq!(started(&world.ask(2, F)), []);
    let effects = world.tell(Event::LimitsChanged { limits: node });
    assert_eq!(started(&effects), []);
    let effects = world.boot(first);
    assert_eq!(
        started(&effects).len(),
        2,
        "the waiter's, and then the spare: {effects:?}"
    );
}

#[test]
fn spares_have_the_memory_size_of_the_function_started_last() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let small = FunctionLimits {
        memory_mib: 128,
        ..limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits()), spec(G, &small)]);
    let spare = *world.machines.keys().next().expect("the refill");
    world.boot(spare);
    let instance = started(&world.ask(1, G))[0];
    let effects = world.boot(instance);
    let refill = started(&effects)[0];
    let memory_mib = 128;
    assert!(effects.contains(&Effect::Start {
        instance: refill,
        package: P,
        memory_mib
    }));
    assert_eq!(
        stops(&world.boot(refill)),
        [(spare, StopReason::Idle)],
        "one is enough"
    );
}

#[test]
fn dying_spares_are_replaced_with_increasing_backoff() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let mut spare = *world.machines.keys().next().expect("the refill");
    for pause in [2000, 4000, 8000] {
        world.boot(spare);
        assert_eq!(world.tell(Event::InstanceDied { instance: spare }), []);
        assert_eq!(world.ms(pause - 1), []);
        spare = started(&world.ms(1))[0];
    }
}

#[test]
fn provisioned_instances_start_before_any_request() {
    let kept = FunctionLimits {
        min_instances: 2,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &kept)]);
    let primed = *world.machines.keys().next().expect("the primed one");
    assert_eq!(
        world.machines[&primed].bound,
        Some((F, X)),
        "what is there is used first"
    );
    let other = *world.machines.keys().nth(1).expect("another");
    assert_eq!(assigns(&world.boot(other)), [(other, F, X)]);
    world.assigned(primed);
    world.assigned(other);
    let effects = world.tell(Event::InstanceDied { instance: other });
    assert_eq!(
        started(&effects),
        [],
        "it died before it served: not at once"
    );
    assert_eq!(started(&world.ms(1000)).len(), 1);
}

#[test]
fn lowered_memory_limits_stop_instances_once_they_are_idle() {
    let (mut world, first) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    let effects = world.tell(Event::LimitsChanged {
        limits: room_for(0),
    });
    assert_eq!(stops(&effects), []);
    assert_eq!(stops(&world.finish(1)), [(first, StopReason::Memory)]);
}

#[test]
fn memory_pressure_stops_paused_instances_and_spares_and_delays_their_refill() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let spare = *world.machines.keys().next().expect("the refill");
    world.boot(spare);
    world.ask(1, F);
    world.assigned(spare);
    world.finish(1);
    let refill = *world.machines.keys().next_back().expect("the next");
    world.boot(refill);
    world.ms(10_000);
    world.tell(Event::Paused { instance: spare });
    let effects = world.tell(Event::MemoryPressure);
    assert_eq!(
        stops(&effects),
        [(spare, StopReason::Memory), (refill, StopReason::Memory)]
    );
    world.stopped(spare);
    assert_eq!(started(&world.stopped(refill)), []);
    assert_eq!(started(&world.ms(30_000)).len(), 1);
}

#[test]
fn start_estimates_follow_measured_starts() {
    let (world, _) = World::warm(node_limits(), &limits());
    let before = world.node.view(world.now).packages[0].boot;
    assert!(before > Duration::from_millis(150) && before < Duration::from_millis(250));
    assert_eq!(world.node.view(world.now).functions[0].code, CodeHash(0xa));
}
