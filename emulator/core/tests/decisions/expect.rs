//! Instances made ready before their requests come.

use crate::common::*;
use fnlocal_core::{Effect, Event, FunctionLimits, StartKind, StopReason};

fn limits() -> FunctionLimits {
    FunctionLimits::default()
}

fn expect(world: &mut World, instances: u32) -> Vec<Effect> {
    world.tell(Event::Prewarm {
        function: F,
        instances,
    })
}

#[test]
fn prewarmed_instances_start_before_any_request() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    let first = started(&expect(&mut world, 2))[0];
    world.boot(first);
    world.assigned(first);
    let mut ids = world.machines.keys().copied();
    let second = ids
        .find(|id| *id != first)
        .expect("a second one is started");
    world.ready(second);
    assert_eq!(dispatched(&world.ask(1, F))[0].2, StartKind::Warm);
    assert_eq!(dispatched(&world.ask(2, F))[0].2, StartKind::Warm);
}

#[test]
fn instances_no_longer_prewarmed_are_paused_and_stopped_as_usual() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    let only = started(&expect(&mut world, 1))[0];
    world.ready(only);
    let long = limits().stop_after * 2;
    assert_eq!(stops(&world.pass(long)), [], "it is kept while expected");
    let effects = expect(&mut world, 0);
    let pause = Effect::Pause { instance: only };
    assert!(effects.contains(&pause), "{effects:?}");
    // Both were due long ago.
    let effects = world.tell(Event::Paused { instance: only });
    assert_eq!(stops(&effects), [(only, StopReason::Idle)]);
}

#[test]
fn prewarming_never_exceeds_max_instances() {
    let few = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let mut world = World::bare(node_limits(), &[spec(F, &few)]);
    let only = started(&expect(&mut world, 5));
    assert_eq!(only.len(), 1);
    assert_eq!(started(&world.ready(only[0])), []);
}
