//! Cold starts on request.

use crate::common::*;
use fnlocal_core::{Event, FunctionId, FunctionLimits, NodeLimits, StartKind, StopReason};

fn limits() -> FunctionLimits {
    FunctionLimits::default()
}

fn with_spare() -> NodeLimits {
    NodeLimits {
        spares: 1,
        ..node_limits()
    }
}

/// Boots whatever is being started.
fn boot_all(world: &mut World) {
    let starting: Vec<_> = world
        .machines
        .iter()
        .filter(|(_, machine)| !machine.booted)
        .map(|(&id, _)| id)
        .collect();
    for id in starting {
        world.boot(id);
    }
}

#[test]
fn after_force_cold_the_next_request_is_a_cold_start() {
    let (mut world, instance) = World::warm(with_spare(), &limits());
    boot_all(&mut world);
    let effects = world.tell(Event::ForceCold { function: F });
    let stopped = stops(&effects);
    assert_eq!(stopped.len(), 2, "the warm one and the spare: {effects:?}");
    assert!(stopped.contains(&(instance, StopReason::Idle)));
    assert_eq!(started(&effects), [], "no spare comes back at once");
    for (id, _) in stopped {
        assert_eq!(started(&world.stopped(id)), []);
    }
    world.ms(500);
    let fresh = started(&world.ask(1, F))[0];
    world.boot(fresh);
    assert_eq!(
        dispatched(&world.assigned(fresh)),
        [(1, fresh, StartKind::Cold)]
    );
}

#[test]
fn force_cold_leaves_busy_instances_and_other_functions_alone() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits()), spec(G, &limits())]);
    let busy = started(&world.ask(1, F))[0];
    world.ready(busy);
    let other = started(&world.ask(2, G))[0];
    world.ready(other);
    world.finish(2);
    assert_eq!(stops(&world.tell(Event::ForceCold { function: F })), []);
    world.finish(1);
    assert_eq!(
        stops(&world.tell(Event::ForceCold { function: F })),
        [(busy, StopReason::Idle)]
    );
}

#[test]
fn force_cold_stops_a_starting_spare_once_it_has_booted() {
    let (mut world, instance) = World::warm(with_spare(), &limits());
    let spare = world
        .machines
        .iter()
        .find(|(id, machine)| **id != instance && !machine.booted)
        .map(|(&id, _)| id)
        .expect("the refill");
    world.tell(Event::ForceCold { function: F });
    assert_eq!(stops(&world.boot(spare)), [(spare, StopReason::Removed)]);
}

#[test]
fn provisioned_instances_and_spares_return_ten_seconds_after_force_cold() {
    let kept = FunctionLimits {
        min_instances: 1,
        ..limits()
    };
    let (mut world, _) = World::warm(with_spare(), &kept);
    boot_all(&mut world);
    let effects = world.tell(Event::ForceCold { function: F });
    for (id, _) in stops(&effects) {
        world.stopped(id);
    }
    assert_eq!(started(&world.ms(9_999)), []);
    assert!(!started(&world.ms(1)).is_empty());
}

#[test]
fn force_cold_of_an_unknown_function_changes_nothing() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    let function = FunctionId(99);
    assert_eq!(world.tell(Event::ForceCold { function }), []);
}
