//! New code: imported, prepared, taken over, broken, removed.

use crate::common::*;
use fnlocal_core::{
    Effect, Event, FunctionId, FunctionLimits, InstanceId, NodeLimits, PackageId, RefuseReason,
    StartKind, StopReason,
};

const H: FunctionId = FunctionId(3);

fn limits() -> FunctionLimits {
    FunctionLimits::default()
}

fn changed(world: &mut World, code: fnlocal_core::CodeHash) -> Vec<Effect> {
    world.tell(Event::CodeChanged {
        rebuilt: false,
        package: P,
        code,
    })
}

/// One idle instance in code X, and a spare that has imported nothing.
fn in_use() -> (World, InstanceId, InstanceId) {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let instance = *world.machines.keys().next().expect("the refill");
    world.boot(instance);
    let spare = started(&world.ask(1, F))[0];
    world.assigned(instance);
    world.finish(1);
    world.boot(spare);
    (world, instance, spare)
}

#[test]
fn a_node_smaller_than_a_default_spare_still_imports_code() {
    let node = NodeLimits {
        memory_mib: 320,
        ..node_limits()
    };
    let mut world = World::new(node);
    assert_eq!(started(&changed(&mut world, X)).len(), 1);
}

#[test]
fn new_code_is_imported_by_a_newly_started_instance() {
    let mut world = World::new(node_limits());
    let effects = changed(&mut world, X);
    let instance = started(&effects)[0];
    assert_eq!(world.boot(instance), [Effect::Prime { instance, code: X }]);
    let effects = world.primed(instance, X, &[spec(F, &limits())]);
    assert_eq!(
        effects,
        [Effect::Switched {
            function: F,
            code: X
        }]
    );
    assert_eq!(
        assigns(&world.ask(1, F)),
        [(instance, F, X)],
        "it serves the first request"
    );
}

#[test]
fn a_spare_imports_saved_code_which_takes_over_once_ready() {
    let (mut world, old, spare) = in_use();
    let effects = changed(&mut world, Y);
    assert_eq!(
        effects[0],
        Effect::Prime {
            instance: spare,
            code: Y
        }
    );
    let effects = world.primed(spare, Y, &[spec(F, &limits())]);
    assert_eq!(
        effects[0],
        Effect::Assign {
            instance: spare,
            function: F,
            code: Y
        }
    );
    assert_eq!(
        dispatched(&world.ask(2, F)),
        [(2, old, StartKind::Warm)],
        "the old code still"
    );
    let effects = world.assigned(spare);
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: Y
        }
    );
    assert_eq!(stops(&effects), [], "it is busy");
    assert_eq!(dispatched(&world.ask(3, F)), [(3, spare, StartKind::Warm)]);
    assert_eq!(stops(&world.finish(2)), [(old, StopReason::OldCode)]);
}

#[test]
fn an_idle_instance_of_old_code_is_stopped_at_the_switch() {
    let (mut world, old, spare) = in_use();
    changed(&mut world, Y);
    world.primed(spare, Y, &[spec(F, &limits())]);
    assert_eq!(stops(&world.assigned(spare)), [(old, StopReason::OldCode)]);
}

#[test]
fn waiting_requests_go_to_the_new_code() {
    let one = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &one)]);
    let (old, ..) = assigns(&world.ask(1, F))[0];
    world.assigned(old);
    world.ask(2, F);
    let next = started(&changed(&mut world, Y))[0];
    world.boot(next);
    world.primed(next, Y, &[spec(F, &one)]);
    assert_eq!(
        dispatched(&world.assigned(next)),
        [(2, next, StartKind::Cold)]
    );
}

#[test]
fn a_function_not_used_recently_switches_immediately() {
    let (mut world, old, spare) = in_use();
    world.ms(9_000);
    world.ms(21_001);
    world.tell(Event::Paused { instance: old });
    world.tell(Event::Paused { instance: spare });
    changed(&mut world, Y);
    world.tell(Event::Resumed { instance: spare });
    let effects = world.primed(spare, Y, &[spec(F, &limits())]);
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: Y
        }
    );
    assert_eq!(stops(&effects), [(old, StopReason::OldCode)]);
    assert_eq!(
        assigns(&world.ask(2, F)),
        [(spare, F, Y)],
        "the primed spare is kept"
    );
}

#[test]
fn the_most_recently_used_function_gets_the_instance_that_imported_the_code() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits()), spec(G, &limits())]);
    for (request, function) in [(1, F), (2, G)] {
        let instance = started(&world.ask(request, function))[0];
        world.ready(instance);
        world.ms(10);
        world.finish(request);
    }
    let next = started(&changed(&mut world, Y))[0];
    world.boot(next);
    let effects = world.primed(next, Y, &[spec(F, &limits()), spec(G, &limits())]);
    assert_eq!(assigns(&effects), [(next, G, Y)]);
    let other = started(&effects)[0];
    assert_eq!(assigns(&world.boot(other)), [(other, F, Y)]);
    let effects = world.assigned(other);
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: Y
        }
    );
}

#[test]
fn newer_code_overtakes_an_import_under_way() {
    let (mut world, _, spare) = in_use();
    changed(&mut world, Y);
    let newest = fnlocal_core::CodeHash(0xc);
    let effects = changed(&mut world, newest);
    assert_eq!(stops(&effects), [(spare, StopReason::OldCode)]);
    assert_eq!(world.primed(spare, Y, &[]), [], "nobody asks any more");
    let next = *world.machines.keys().next_back().expect("the refill");
    let effects = world.boot(next);
    assert_eq!(
        effects[0],
        Effect::Prime {
            instance: next,
            code: newest
        }
    );
}

#[test]
fn newer_code_overtakes_a_preparation_under_way() {
    let (mut world, old, spare) = in_use();
    changed(&mut world, Y);
    let refill = started(&world.primed(spare, Y, &[spec(F, &limits())]));
    let refill = refill
        .first()
        .copied()
        .unwrap_or_else(|| *world.machines.keys().next_back().expect("the refill"));
    world.boot(refill);
    let newest = fnlocal_core::CodeHash(0xc);
    let effects = changed(&mut world, newest);
    assert_eq!(
        effects[0],
        Effect::Prime {
            instance: refill,
            code: newest
        }
    );
    let effects = world.primed(refill, newest, &[spec(F, &limits())]);
    assert_eq!(stops(&effects), [(spare, StopReason::OldCode)]);
    assert_eq!(assigns(&effects), [(refill, F, newest)]);
    let effects = world.assigned(refill);
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: newest
        }
    );
    assert_eq!(stops(&effects), [(old, StopReason::OldCode)]);
}

#[test]
fn a_save_reported_twice_is_imported_once() {
    let (mut world, ..) = in_use();
    changed(&mut world, Y);
    assert_eq!(changed(&mut world, Y), []);
}

#[test]
fn broken_code_refuses_waiting_and_new_requests_and_stops_old_instances() {
    let one = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &one), spec(G, &one)]);
    let (old, ..) = assigns(&world.ask(1, F))[0];
    world.assigned(old);
    world.ask(2, F);
    let next = started(&changed(&mut world, Y))[0];
    world.boot(next);
    let effects = world.primed(next, Y, &[broken(F), spec(G, &one)]);
    assert_eq!(refused(&effects), [(2, RefuseReason::BrokenCode)]);
    assert_eq!(refused(&world.ask(3, F)), [(3, RefuseReason::BrokenCode)]);
    assert_eq!(stops(&world.finish(1)), [(old, StopReason::OldCode)]);
    assert_eq!(
        assigns(&world.ask(4, G)),
        [(next, G, Y)],
        "other functions are untouched"
    );
}

#[test]
fn fixed_code_is_served_again() {
    let (mut world, _, spare) = in_use();
    changed(&mut world, Y);
    let effects = world.primed(spare, Y, &[broken(F)]);
    assert!(
        stops(&effects).contains(&(spare, StopReason::Broken)),
        "of no use to anybody"
    );
    let effects = world.tell(Event::InstanceDied { instance: spare });
    let next = *world.machines.keys().next_back().expect("the refill");
    assert_eq!(refused(&effects), []);
    changed(&mut world, X);
    let effects = world.boot(next);
    assert!(
        effects.contains(&Effect::Prime {
            instance: next,
            code: X
        }),
        "{effects:?}"
    );
    let effects = world.primed(next, X, &[spec(F, &limits())]);
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: X
        }
    );
    assert_eq!(refused(&world.ask(2, F)), []);
}

#[test]
fn if_the_prepared_instance_fails_to_import_requests_are_refused_as_broken_code() {
    let (mut world, old, spare) = in_use();
    changed(&mut world, Y);
    world.primed(spare, Y, &[spec(F, &limits())]);
    let effects = world.tell(Event::AssignFailed { instance: spare });
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: Y
        }
    );
    assert!(stops(&effects).contains(&(old, StopReason::OldCode)));
    assert_eq!(refused(&world.ask(2, F)), [(2, RefuseReason::BrokenCode)]);
}

#[test]
fn a_hanging_import_delays_the_switch_by_at_most_five_seconds() {
    let (mut world, old, spare) = in_use();
    changed(&mut world, Y);
    world.primed(spare, Y, &[spec(F, &limits())]);
    assert_eq!(stops(&world.ms(4_999)), []);
    let effects = world.ms(1);
    assert_eq!(
        effects[0],
        Effect::Switched {
            function: F,
            code: Y
        }
    );
    assert_eq!(stops(&effects), [(old, StopReason::OldCode)]);
    assert_eq!(world.ask(2, F), [], "it waits for the import");
    assert_eq!(dispatched(&world.assigned(spare)).len(), 1);
}

#[test]
fn a_starting_spare_is_used_for_an_import_instead_of_a_new_start() {
    let node = NodeLimits {
        spares: 1,
        ..node_limits()
    };
    let mut world = World::new(NodeLimits {
        spares: 0,
        ..node.clone()
    });
    let primer = started(&changed(&mut world, X))[0];
    world.boot(primer);
    world.primed(primer, X, &[spec(F, &limits())]);
    let refill = started(&world.tell(Event::LimitsChanged { limits: node }))[0];
    assert_eq!(changed(&mut world, Y), []);
    assert_eq!(
        world.boot(refill)[0],
        Effect::Prime {
            instance: refill,
            code: Y
        }
    );
}

#[test]
fn an_instance_that_dies_importing_new_code_leaves_the_old_code_serving() {
    let (mut world, old, spare) = in_use();
    changed(&mut world, Y);
    world.tell(Event::InstanceDied { instance: spare });
    world.ms(5_000);
    assert_eq!(dispatched(&world.ask(2, F)), [(2, old, StartKind::Warm)]);
    assert!(!world.counts.contains_key("StopOldCode"));
}

#[test]
fn an_import_whose_start_fails_is_retried_with_backoff() {
    let mut world = World::new(node_limits());
    let mut instance = started(&changed(&mut world, X))[0];
    for pause in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
        assert_eq!(world.tell(Event::StartFailed { instance }), []);
        assert_eq!(world.ms(pause - 1), []);
        instance = started(&world.ms(1))[0];
    }
    assert_eq!(world.boot(instance), [Effect::Prime { instance, code: X }]);
}

#[test]
fn waiting_requests_do_not_starve_an_import() {
    let node = NodeLimits {
        parallel_starts: 1,
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits())]);
    let first = started(&world.ask(1, F))[0];
    world.ask(2, F);
    assert_eq!(started(&changed(&mut world, Y)), []);
    let effects = world.boot(first);
    let next = started(&effects)[0];
    assert_eq!(
        world.boot(next)[0],
        Effect::Prime {
            instance: next,
            code: Y
        }
    );
}

#[test]
fn a_removed_function_refuses_waiting_requests_and_finishes_running_ones() {
    let one = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &one), spec(H, &one)]);
    let (old, ..) = assigns(&world.ask(1, F))[0];
    world.assigned(old);
    world.ask(2, F);
    let next = started(&changed(&mut world, Y))[0];
    world.boot(next);
    let effects = world.primed(next, Y, &[spec(H, &one)]);
    assert_eq!(refused(&effects), [(2, RefuseReason::UnknownFunction)]);
    assert_eq!(
        refused(&world.ask(3, F)),
        [(3, RefuseReason::UnknownFunction)]
    );
    assert_eq!(stops(&world.finish(1)), [(old, StopReason::Removed)]);
}

#[test]
fn a_removed_package_stops_all_its_instances() {
    let (mut world, instance, spare) = in_use();
    let effects = world.tell(Event::PackageRemoved { package: P });
    let mut gone = stops(&effects);
    gone.sort();
    assert_eq!(
        gone,
        [
            (instance, StopReason::Removed),
            (spare, StopReason::Removed)
        ]
    );
    assert_eq!(
        refused(&world.ask(2, F)),
        [(2, RefuseReason::UnknownFunction)]
    );
    assert_eq!(
        world.tell(Event::PackageRemoved {
            package: PackageId(9)
        }),
        []
    );
}

#[test]
fn an_instance_starting_for_a_removed_package_is_stopped_once_booted() {
    let mut world = World::new(node_limits());
    let instance = started(&changed(&mut world, X))[0];
    assert_eq!(world.tell(Event::PackageRemoved { package: P }), []);
    assert_eq!(
        stops(&world.boot(instance)),
        [(instance, StopReason::Removed)]
    );
}

#[test]
fn spares_with_old_code_are_stopped_at_the_switch() {
    let mut world = World::with(node_limits(), &[spec(F, &limits())]);
    let stale = *world.machines.keys().next().expect("the primed one");
    let next = started(&changed(&mut world, Y))[0];
    world.boot(next);
    let effects = world.primed(next, Y, &[spec(F, &limits())]);
    assert_eq!(stops(&effects), [(stale, StopReason::OldCode)]);
    assert_eq!(assigns(&world.ask(1, F)), [(next, F, Y)]);
}

#[test]
fn changed_limits_apply_without_a_code_change() {
    let (mut world, _, spare) = in_use();
    changed(&mut world, X);
    let one = FunctionLimits {
        max_instances: 1,
        rps: Some(1),
        ..limits()
    };
    let effects = world.primed(spare, X, &[spec(F, &one)]);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Switched { .. }))
    );
    assert_eq!(dispatched(&world.ask(2, F)).len(), 1);
    assert_eq!(refused(&world.ask(3, F)), [(3, RefuseReason::RateLimited)]);
    assert_eq!(world.node.view(world.now).functions[0].limits, one);
}

#[test]
fn instances_of_another_size_are_replaced() {
    let (mut world, old, spare) = in_use();
    changed(&mut world, X);
    let small = FunctionLimits {
        memory_mib: 128,
        ..limits()
    };
    let effects = world.primed(spare, X, &[spec(F, &small)]);
    assert!(stops(&effects).contains(&(old, StopReason::OldCode)));
}

#[test]
fn a_shortened_queue_refuses_the_newest() {
    let one = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &one)]);
    let (old, ..) = assigns(&world.ask(1, F))[0];
    world.assigned(old);
    world.ask(2, F);
    world.ask(3, F);
    let next = started(&changed(&mut world, X))[0];
    world.boot(next);
    let short = FunctionLimits { queue: 1, ..one };
    let effects = world.primed(next, X, &[spec(F, &short)]);
    assert_eq!(refused(&effects), [(3, RefuseReason::QueueFull)]);
}

#[test]
fn a_rebuilt_package_stops_spares_booted_from_the_old_image() {
    let (mut world, old, spare) = in_use();
    let effects = world.tell(Event::CodeChanged {
        package: P,
        code: Y,
        rebuilt: true,
    });
    assert_eq!(stops(&effects), [(spare, StopReason::OldCode)]);
    let fresh = started(&effects)[0];
    assert_eq!(
        dispatched(&world.ask(2, F)),
        [(2, old, StartKind::Warm)],
        "the old code serves until the new one is there"
    );
    let prime = Effect::Prime {
        instance: fresh,
        code: Y,
    };
    assert!(world.boot(fresh).contains(&prime));
}
