//! Instances nobody uses: paused, resumed, stopped. And draining.

use crate::common::*;
use fnlocal_core::time::Duration;
use fnlocal_core::{
    Effect, Event, FunctionLimits, NodeLimits, RefuseReason, StartKind, StopReason,
};

fn limits() -> FunctionLimits {
    FunctionLimits::default()
}

#[test]
fn an_idle_instance_is_paused_and_then_stopped() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    assert_eq!(world.ms(9_999), []);
    assert_eq!(world.ms(1), [Effect::Pause { instance }]);
    world.tell(Event::Paused { instance });
    assert_eq!(world.ms(589_999), []);
    let (reason, grace) = (StopReason::Idle, Duration::from_secs(2));
    assert_eq!(
        world.ms(1),
        [Effect::Stop {
            instance,
            reason,
            grace
        }]
    );
    world.stopped(instance);
    assert_eq!(world.node.view(world.now).memory_promised_mib, 0);
}

#[test]
fn a_request_postpones_the_pause() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ms(9_000);
    world.ask(1, F);
    world.ms(5_000);
    world.finish(1);
    assert_eq!(world.ms(9_999), []);
    assert_eq!(world.ms(1), [Effect::Pause { instance }]);
}

#[test]
fn a_paused_instance_is_resumed_for_a_request_as_a_warm_start() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ms(10_000);
    world.tell(Event::Paused { instance });
    assert_eq!(world.ask(1, F), [Effect::Resume { instance }]);
    world.ms(12);
    let effects = world.tell(Event::Resumed { instance });
    assert_eq!(dispatched(&effects), [(1, instance, StartKind::Warm)]);
}

#[test]
fn an_instance_needed_while_it_is_pausing_is_resumed_once_paused() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ms(10_000);
    assert_eq!(world.ask(1, F), [], "not before it has paused");
    assert_eq!(
        world.tell(Event::Paused { instance }),
        [Effect::Resume { instance }]
    );
    assert_eq!(
        dispatched(&world.tell(Event::Resumed { instance })).len(),
        1
    );
}

#[test]
fn a_resumed_instance_whose_client_disconnected_is_paused_again() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ms(10_000);
    world.tell(Event::Paused { instance });
    world.ask(1, F);
    world.tell(Event::ClientGone {
        request: fnlocal_core::RequestId(1),
    });
    assert_eq!(world.tell(Event::Resumed { instance }), []);
    assert_eq!(world.ms(10_000), [Effect::Pause { instance }]);
}

#[test]
fn a_pause_confirmed_after_the_stop_is_ignored() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ms(10_000);
    world.tell(Event::Drain);
    assert_eq!(world.tell(Event::Paused { instance }), []);
    assert_eq!(world.stopped(instance), [Effect::Drained]);
}

#[test]
fn provisioned_instances_are_neither_paused_nor_stopped() {
    let kept = FunctionLimits {
        min_instances: 1,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &kept)]);
    let first = *world.machines.keys().next().expect("the primed one");
    world.assigned(first);
    assert_eq!(world.ms(3_600_000), []);
    world.ask(1, F);
    let second = started(&world.ask(2, F))[0];
    world.ready(second);
    world.finish(1);
    world.ms(10);
    world.finish(2);
    assert_eq!(
        world.ms(10_000),
        [Effect::Pause { instance: first }],
        "one of two is enough"
    );
    world.tell(Event::Paused { instance: first });
    assert_eq!(stops(&world.ms(3_600_000)), [(first, StopReason::Idle)]);
}

#[test]
fn if_the_last_running_provisioned_instance_dies_a_paused_one_is_resumed() {
    let kept = FunctionLimits {
        min_instances: 1,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &kept)]);
    let first = *world.machines.keys().next().expect("the primed one");
    world.assigned(first);
    world.ask(1, F);
    let second = started(&world.ask(2, F))[0];
    world.ready(second);
    world.finish(1);
    world.finish(2);
    world.ms(10_000);
    world.tell(Event::Paused { instance: first });
    let effects = world.tell(Event::InstanceDied { instance: second });
    assert_eq!(effects, [Effect::Resume { instance: first }]);
}

#[test]
fn an_idle_spare_is_paused_and_resumed_when_used() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let spare = *world.machines.keys().next().expect("the refill");
    world.boot(spare);
    assert_eq!(world.ms(10_000), [Effect::Pause { instance: spare }]);
    world.tell(Event::Paused { instance: spare });
    assert_eq!(
        stops(&world.ms(3_600_000)),
        [],
        "a spare is for whatever comes"
    );
    let effects = world.ask(1, F);
    assert_eq!(effects[0], Effect::Resume { instance: spare });
    assert_eq!(assigns(&effects), []);
    assert_eq!(
        assigns(&world.tell(Event::Resumed { instance: spare })),
        [(spare, F, X)]
    );
    assert_eq!(
        dispatched(&world.assigned(spare)),
        [(1, spare, StartKind::Spare)]
    );
}

#[test]
fn draining_finishes_running_and_waiting_requests_refuses_new_ones_and_stops_all() {
    let one = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let (mut world, instance) = World::warm(
        NodeLimits {
            spares: 1,
            ..node_limits()
        },
        &one,
    );
    let others: Vec<_> = world
        .machines
        .keys()
        .copied()
        .filter(|&id| id != instance)
        .collect();
    for other in others {
        world.boot(other);
    }
    world.ask(1, F);
    world.ask(2, F);
    let effects = world.tell(Event::Drain);
    assert!(
        stops(&effects)
            .iter()
            .all(|&(id, why)| id != instance && why == StopReason::Drain)
    );
    for (spare, _) in stops(&effects) {
        assert_eq!(world.stopped(spare), []);
    }
    assert_eq!(refused(&world.ask(3, F)), [(3, RefuseReason::Draining)]);
    assert_eq!(
        dispatched(&world.finish(1)),
        [(2, instance, StartKind::Queued)]
    );
    assert_eq!(stops(&world.finish(2)), [(instance, StopReason::Drain)]);
    assert_eq!(world.stopped(instance), [Effect::Drained]);
    assert_eq!(world.tell(Event::Drain), [], "once");
}

#[test]
fn an_empty_node_drains_at_once() {
    assert_eq!(
        World::new(node_limits()).tell(Event::Drain),
        [Effect::Drained]
    );
}

#[test]
fn draining_stops_a_starting_instance_once_booted() {
    let mut world = World::new(node_limits());
    let instance = started(&world.tell(Event::CodeChanged {
        rebuilt: false,
        package: P,
        code: X,
    }))[0];
    assert_eq!(world.tell(Event::Drain), []);
    assert_eq!(
        stops(&world.boot(instance)),
        [(instance, StopReason::Drain)]
    );
    assert_eq!(world.stopped(instance), [Effect::Drained]);
}
