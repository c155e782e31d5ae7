//! The life of a request: which instance serves it, when it waits, when it is refused.

use crate::common::*;
use fnlocal_core::time::Duration;
use fnlocal_core::{
    Effect, Event, FunctionLimits, NodeLimits, RefuseReason, RequestId, Retry, StartKind,
    StopReason,
};

fn limits() -> FunctionLimits {
    FunctionLimits::default()
}

fn one_instance() -> FunctionLimits {
    FunctionLimits {
        max_instances: 1,
        ..limits()
    }
}

#[test]
fn a_request_for_an_unknown_function_is_refused() {
    let mut world = World::with(node_limits(), &[]);
    assert_eq!(
        refused(&world.ask(1, F)),
        [(1, RefuseReason::UnknownFunction)]
    );
}

#[test]
fn a_request_to_an_idle_instance_is_a_warm_start() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    assert_eq!(
        dispatched(&world.ask(1, F)),
        [(1, instance, StartKind::Warm)]
    );
    assert_eq!(world.finish(1), []);
}

#[test]
fn the_most_recently_used_idle_instance_is_used() {
    let (mut world, first) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    world.ask(2, F);
    let second = started(&world.ms(400))[0];
    world.ready(second);
    world.finish(2);
    world.finish(1);
    assert_eq!(dispatched(&world.ask(3, F)), [(3, first, StartKind::Warm)]);
    assert_eq!(dispatched(&world.ask(4, F)), [(4, second, StartKind::Warm)]);
}

#[test]
fn without_instances_a_request_starts_one_as_a_cold_start() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    let effects = world.ask(1, F);
    let instance = started(&effects)[0];
    assert_eq!(
        effects,
        [Effect::Start {
            instance,
            package: P,
            memory_mib: 512
        }]
    );
    assert_eq!(assigns(&world.boot(instance)), [(instance, F, X)]);
    assert_eq!(
        dispatched(&world.assigned(instance)),
        [(1, instance, StartKind::Cold)]
    );
}

#[test]
fn a_request_is_assigned_a_spare_as_a_spare_start() {
    let mut world = World::with(node_limits(), &[spec(F, &limits())]);
    world.ms(10);
    let effects = world.ask(1, F);
    let (instance, ..) = assigns(&effects)[0];
    assert_eq!(started(&effects), []);
    assert_eq!(
        dispatched(&world.assigned(instance)),
        [(1, instance, StartKind::Spare)]
    );
}

#[test]
fn a_spare_of_another_size_is_not_used() {
    let small = FunctionLimits {
        memory_mib: 128,
        ..limits()
    };
    let mut world = World::with(node_limits(), &[spec(F, &limits()), spec(G, &small)]);
    let effects = world.ask(1, G);
    assert_eq!(assigns(&effects), []);
    assert_eq!(started(&effects).len(), 1);
}

#[test]
fn parallel_requests_to_a_new_function_get_an_instance_each() {
    let mut world = World::bare(node_limits(), &[spec(F, &limits())]);
    assert_eq!(started(&world.ask(1, F)).len(), 1);
    assert_eq!(started(&world.ask(2, F)).len(), 1);
}

#[test]
fn a_request_waits_for_a_busy_instance_if_its_requests_are_short() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    world.ms(1);
    assert_eq!(
        world.ask(2, F),
        [],
        "a response takes 10 ms, a start a hundred and more"
    );
    world.ms(9);
    assert_eq!(
        dispatched(&world.finish(1)),
        [(2, instance, StartKind::Queued)]
    );
}

#[test]
fn a_request_starts_another_instance_if_busy_ones_are_slow() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    for request in 1..30 {
        world.ask(request, F);
        world.ms(1000);
        world.finish(request);
    }
    world.ask(50, F);
    let other = started(&world.ask(51, F))[0];
    assert_ne!(other, instance);
}

#[test]
fn a_long_queue_of_short_requests_starts_another_instance() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    let waiting = (2..100).find(|&request| !started(&world.ask(request, F)).is_empty());
    let waiting = waiting.expect("one of them makes the wait too long");
    assert!(
        (10..60).contains(&waiting),
        "10 ms each against about 240: {waiting}"
    );
}

#[test]
fn a_request_that_waits_longer_than_estimated_starts_an_instance() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    assert_eq!(world.ask(2, F), []);
    let effects = world.ms(400);
    assert_eq!(started(&effects).len(), 1, "the first hangs");
    assert_eq!(started(&world.ms(100)).len(), 0, "one is under way");
}

#[test]
fn the_oldest_waiting_request_is_served_first() {
    let (mut world, instance) = World::warm(node_limits(), &one_instance());
    for request in 1..=3 {
        world.ask(request, F);
    }
    assert_eq!(
        dispatched(&world.finish(1)),
        [(2, instance, StartKind::Queued)]
    );
    assert_eq!(
        dispatched(&world.finish(2)),
        [(3, instance, StartKind::Queued)]
    );
}

#[test]
fn an_instance_serves_as_many_requests_at_once_as_its_concurrency() {
    let limits = FunctionLimits {
        concurrency: 2,
        max_instances: 1,
        ..limits()
    };
    let (mut world, instance) = World::warm(node_limits(), &limits);
    assert_eq!(
        dispatched(&world.ask(1, F)),
        [(1, instance, StartKind::Warm)]
    );
    assert_eq!(
        dispatched(&world.ask(2, F)),
        [(2, instance, StartKind::Warm)]
    );
    assert_eq!(world.ask(3, F), []);
    assert_eq!(
        dispatched(&world.finish(1)),
        [(3, instance, StartKind::Queued)]
    );
}

#[test]
fn requests_over_the_rate_are_refused_with_a_retry_delay() {
    let limits = FunctionLimits {
        rps: Some(2),
        ..limits()
    };
    let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
    world.ask(1, F);
    world.ask(2, F);
    let refuse = |request, millis| Effect::Refuse {
        request: RequestId(request),
        reason: RefuseReason::RateLimited,
        retry_after: Some(Duration::from_millis(millis)),
    };
    assert_eq!(world.ask(3, F), [refuse(3, 500)]);
    world.ms(200);
    assert_eq!(world.ask(4, F), [refuse(4, 300)]);
    world.ms(300);
    assert_eq!(refused(&world.ask(5, F)), []);
}

#[test]
fn the_rate_of_a_node_is_shared_by_all_functions() {
    let node = NodeLimits {
        rps: Some(1),
        ..node_limits()
    };
    let mut world = World::bare(node, &[spec(F, &limits()), spec(G, &limits())]);
    assert_eq!(refused(&world.ask(1, F)), []);
    assert_eq!(refused(&world.ask(2, G)), [(2, RefuseReason::RateLimited)]);
}

#[test]
fn a_full_queue_refuses_the_newest_request_with_a_retry_delay() {
    let limits = FunctionLimits {
        queue: 1,
        ..one_instance()
    };
    let (mut world, _) = World::warm(node_limits(), &limits);
    world.ask(1, F);
    assert_eq!(world.ask(2, F), []);
    let effects = world.ask(3, F);
    assert_eq!(refused(&effects), [(3, RefuseReason::QueueFull)]);
    assert!(matches!(
        effects[0],
        Effect::Refuse {
            retry_after: Some(_),
            ..
        }
    ));
}

#[test]
fn a_queue_of_zero_still_lets_a_request_wait_for_the_instance_started_for_it() {
    let limits = FunctionLimits {
        queue: 0,
        ..one_instance()
    };
    let mut world = World::bare(node_limits(), &[spec(F, &limits)]);
    let instance = started(&world.ask(1, F))[0];
    assert_eq!(refused(&world.ask(2, F)), [(2, RefuseReason::QueueFull)]);
    assert_eq!(dispatched(&world.boot(instance)), []);
    assert_eq!(dispatched(&world.assigned(instance)).len(), 1);
}

#[test]
fn waiting_ends_at_the_queues_deadline() {
    let (mut world, _) = World::warm(node_limits(), &one_instance());
    world.ask(1, F);
    world.tell(Event::ResponseStarted {
        request: RequestId(1),
    });
    world.ask(2, F);
    assert_eq!(world.ms(29_999), []);
    assert_eq!(refused(&world.ms(1)), [(2, RefuseReason::QueueTimeout)]);
}

#[test]
fn an_instance_that_exceeds_the_timeout_is_killed_and_the_next_request_starts_a_new_one() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    let effects = world.ms(15_000);
    assert_eq!(
        effects,
        [
            Effect::Refuse {
                request: RequestId(1),
                reason: RefuseReason::Timeout,
                retry_after: None
            },
            Effect::Stop {
                instance,
                reason: StopReason::Timeout,
                grace: Duration::ZERO
            },
        ]
    );
    assert_eq!(world.finish(1), [], "too late");
    assert_eq!(started(&world.ask(2, F)).len(), 1);
}

#[test]
fn the_timeout_ends_when_the_response_head_arrives() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    world.ms(14_000);
    world.tell(Event::ResponseStarted {
        request: RequestId(1),
    });
    assert_eq!(refused(&world.ms(100_000)), []);
    world.finish(1);
    assert_eq!(dispatched(&world.ask(2, F))[0].1, instance);
}

#[test]
fn other_requests_on_a_killed_instance_are_retried() {
    let limits = FunctionLimits {
        concurrency: 2,
        ..limits()
    };
    let (mut world, _) = World::warm(node_limits(), &limits);
    world.ask(1, F);
    world.ms(10_000);
    world.ask(2, F);
    assert_eq!(refused(&world.ms(5000)), [(1, RefuseReason::Timeout)]);
    let effects = world.tell(Event::RequestFailed {
        request: RequestId(2),
        retry: Retry::Once,
    });
    let instance = started(&effects)[0];
    assert_eq!(
        dispatched(&world.ready(instance)),
        [(2, instance, StartKind::Cold)]
    );
}

#[test]
fn a_request_whose_instance_fails_is_retried_once_ahead_of_the_queue() {
    let limits = FunctionLimits {
        max_instances: 1,
        ..limits()
    };
    let (mut world, broken) = World::warm(node_limits(), &limits);
    world.ask(1, F);
    world.ask(2, F);
    let effects = world.tell(Event::RequestFailed {
        request: RequestId(1),
        retry: Retry::Once,
    });
    assert_eq!(stops(&effects), [(broken, StopReason::Broken)]);
    let second = started(&effects)[0];
    world.boot(second);
    assert_eq!(
        dispatched(&world.assigned(second)),
        [(1, second, StartKind::Cold)]
    );
    let effects = world.tell(Event::RequestFailed {
        request: RequestId(1),
        retry: Retry::Once,
    });
    assert_eq!(
        refused(&effects),
        [(1, RefuseReason::InstanceDied)],
        "not a third time"
    );
}

#[test]
fn a_retry_uses_an_idle_instance_immediately() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    world.ask(2, F);
    let second = started(&world.ms(400))[0];
    world.ready(second);
    world.finish(2);
    let effects = world.tell(Event::RequestFailed {
        request: RequestId(1),
        retry: Retry::Once,
    });
    assert_eq!(dispatched(&effects), [(1, second, StartKind::Warm)]);
}

#[test]
fn a_request_that_cannot_be_retried_is_refused() {
    let (mut world, instance) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    world.tell(Event::InstanceDied { instance });
    let effects = world.tell(Event::RequestFailed {
        request: RequestId(1),
        retry: Retry::No,
    });
    assert_eq!(refused(&effects), [(1, RefuseReason::InstanceDied)]);
}

#[test]
fn a_waiting_request_whose_client_disconnects_is_dropped() {
    let (mut world, _) = World::warm(node_limits(), &one_instance());
    world.ask(1, F);
    world.ask(2, F);
    assert_eq!(
        world.tell(Event::ClientGone {
            request: RequestId(2)
        }),
        []
    );
    assert_eq!(world.finish(1), []);
}

#[test]
fn an_instance_stays_busy_after_the_client_left_until_it_is_released() {
    let (mut world, instance) = World::warm(node_limits(), &one_instance());
    world.ask(1, F);
    world.tell(Event::ClientGone {
        request: RequestId(1),
    });
    assert_eq!(world.ask(2, F), []);
    let effects = world.tell(Event::Released {
        request: RequestId(1),
    });
    assert_eq!(dispatched(&effects), [(2, instance, StartKind::Queued)]);
}

#[test]
fn an_instance_that_is_not_released_after_a_client_disconnects_is_killed() {
    let (mut world, instance) = World::warm(node_limits(), &one_instance());
    world.ask(1, F);
    world.tell(Event::ResponseStarted {
        request: RequestId(1),
    });
    world.ms(60_000);
    world.tell(Event::ClientGone {
        request: RequestId(1),
    });
    assert_eq!(stops(&world.ms(14_999)), []);
    assert_eq!(stops(&world.ms(1)), [(instance, StopReason::Timeout)]);
    world.stopped(instance);
    assert_eq!(world.node.view(world.now).requests, 0);
    assert_eq!(world.node.view(world.now).instances, 0);
}

#[test]
fn duplicate_requests_and_answers_for_unknown_instances_change_nothing() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    assert_eq!(world.ask(1, F).len(), 1);
    assert_eq!(world.ask(1, F), []);
    world.finish(1);
    let view = world.node.view(world.now);
    for request in [RequestId(1), RequestId(77)] {
        for event in [
            Event::ResponseStarted { request },
            Event::ResponseFinished { request },
            Event::RequestFailed {
                request,
                retry: Retry::Once,
            },
            Event::ClientGone { request },
            Event::Released { request },
        ] {
            assert_eq!(world.tell(event), []);
        }
    }
    assert_eq!(world.node.view(world.now), view);
}

#[test]
fn instances_ended_from_outside_do_not_use_up_the_retry_of_a_request() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    for _ in 0..3 {
        let effects = world.tell(Event::RequestFailed {
            request: RequestId(1),
            retry: Retry::Free,
        });
        assert_eq!(refused(&effects), []);
        let instance = started(&effects)[0];
        assert_eq!(dispatched(&world.ready(instance)).len(), 1);
    }
    let once = world.tell(Event::RequestFailed {
        request: RequestId(1),
        retry: Retry::Once,
    });
    assert_eq!(dispatched(&world.ready(started(&once)[0])).len(), 1);
    let again = world.tell(Event::RequestFailed {
        request: RequestId(1),
        retry: Retry::Once,
    });
    assert_eq!(refused(&again), [(1, RefuseReason::InstanceDied)]);
}

#[test]
fn a_request_is_refused_after_ten_instances_ended_from_outside() {
    let (mut world, _) = World::warm(node_limits(), &limits());
    world.ask(1, F);
    let mut tries = 0;
    loop {
        let effects = world.tell(Event::RequestFailed {
            request: RequestId(1),
            retry: Retry::Free,
        });
        if refused(&effects) == [(1, RefuseReason::InstanceDied)] {
            break;
        }
        tries += 1;
        world.ready(started(&effects)[0]);
    }
    assert_eq!(tries, 10);
}
