//! Where requests go, and how little moves when nodes come and go.

use std::collections::{BTreeMap, BTreeSet};

use fnlocal_core::routing::{FunctionStanding, key};
use fnlocal_core::{Entered, FunctionId, NodeId, Route, Router, RouterSettings};
use proptest::prelude::*;

const F: FunctionId = FunctionId(7);

fn node_key(node: u32) -> u64 {
    key(&format!("node-{node}"))
}

fn router(nodes: u32, capacity: u32) -> Router {
    let mut router = Router::new(RouterSettings::default());
    for node in 0..nodes {
        router.join(NodeId(node), node_key(node), capacity);
    }
    router
}

/// Routes one request and says where it is served.
fn route(router: &mut Router, function: FunctionId, here: NodeId, idle_here: bool) -> NodeId {
    match router.route(Entered::from_client(function), here, || idle_here) {
        Route::Local => here,
        Route::Remote(forward) => forward.to(),
    }
}

#[test]
fn a_function_starts_on_one_node_wherever_its_requests_enter() {
    for here in 0..10 {
        let mut router = router(10, 8);
        let owner = router.order(F)[0];
        assert_eq!(route(&mut router, F, NodeId(here), false), owner);
        assert_eq!(router.spread(F), 1);
    }
}

#[test]
fn a_single_node_serves_every_request() {
    let mut router = router(1, 2);
    for _ in 0..100 {
        let request = Entered::from_client(F);
        assert_eq!(router.route(request, NodeId(0), || false), Route::Local);
    }
}

#[test]
fn without_members_a_request_is_served_where_it_entered() {
    let mut router = router(0, 1);
    let request = Entered::from_client(F);
    assert_eq!(router.route(request, NodeId(3), || false), Route::Local);
}

#[test]
fn a_function_spreads_to_more_nodes_with_its_demand_and_contracts_again() {
    let mut router = router(10, 8);
    let order = router.order(F);
    let mut served = Vec::new();
    for _ in 0..12 {
        served.push(route(&mut router, F, NodeId(0), false));
    }
    let share = 4;
    for (at, node) in served.iter().enumerate() {
        assert_eq!(*node, order[at / share], "request {at}");
    }
    assert_eq!(router.spread(F), 4);
    for node in served {
        router.ended(F, node);
    }
    assert_eq!(router.spread(F), 1);
    assert_eq!(route(&mut router, F, NodeId(0), false), order[0]);
}

#[test]
fn an_idle_instance_is_used_before_another_is_started() {
    let mut router = router(10, 8);
    let order = router.order(F);
    router.ready(F, order[5], 1);
    assert_eq!(route(&mut router, F, NodeId(0), false), order[5]);
    assert_eq!(
        route(&mut router, F, NodeId(0), false),
        order[0],
        "the instance is busy now, so that one is started where the function belongs"
    );
}

#[test]
fn a_node_of_a_function_with_an_idle_instance_keeps_the_request() {
    let mut router = router(10, 8);
    let order = router.order(F);
    for _ in 0..5 {
        route(&mut router, F, NodeId(0), false);
    }
    router.ended(F, order[0]);
    for node in &order[..2] {
        router.ready(F, *node, 8);
    }
    assert_eq!(route(&mut router, F, order[1], true), order[1]);
    assert_eq!(route(&mut router, F, order[9], false), order[0]);
}

#[test]
fn an_idle_instance_outside_the_functions_nodes_is_used_only_if_there_is_no_other() {
    let mut router = router(10, 8);
    let order = router.order(F);
    assert_eq!(route(&mut router, F, order[9], true), order[9]);
    router.ready(F, order[0], 1);
    assert_eq!(route(&mut router, F, order[9], true), order[0]);
}

#[test]
fn a_nodes_published_load_replaces_the_counted_load() {
    let mut router = router(4, 8);
    let order = router.order(F);
    for _ in 0..4 {
        route(&mut router, F, NodeId(0), false);
    }
    assert_eq!(router.load(order[0]), 4);
    let standing = FunctionStanding {
        in_hand: 1,
        slots: 2,
    };
    router.publish(F, order[0], standing);
    assert_eq!(router.load(order[0]), 1);
    assert_eq!(route(&mut router, F, NodeId(0), false), order[0]);
}

#[test]
fn a_node_that_left_gets_no_requests_and_its_late_answers_are_ignored() {
    let mut router = router(3, 8);
    let order = router.order(F);
    assert_eq!(route(&mut router, F, order[1], false), order[0]);
    router.leave(order[0]);
    assert_eq!(route(&mut router, F, order[2], false), order[1]);
    router.ended(F, order[0]);
    assert_eq!(router.load(order[1]), 1);
}

#[test]
fn a_forwarded_request_can_be_serialized_and_cannot_be_routed_again() {
    let mut router = router(2, 8);
    let order = router.order(F);
    let Route::Remote(forward) = router.route(Entered::from_client(F), order[1], || false) else {
        panic!("it belongs to {}", order[0]);
    };
    let text = serde_json::to_string(&forward).expect("it is plain data");
    let arrived: fnlocal_core::Forward = serde_json::from_str(&text).expect("it was just written");
    // `Router::route` takes an `Entered`, and nothing makes one of a `Forward`.
    assert_eq!(arrived.to(), order[0]);
}

#[test]
fn a_deserialized_router_makes_the_same_decisions() {
    let mut router = router(5, 4);
    for function in 0..20 {
        route(&mut router, FunctionId(function), NodeId(1), false);
    }
    let text = serde_json::to_string(&router).expect("it is plain data");
    let mut again: Router = serde_json::from_str(&text).expect("it was just written");
    for function in 0..50 {
        let function = FunctionId(function % 25);
        assert_eq!(
            route(&mut router, function, NodeId(2), false),
            route(&mut again, function, NodeId(2), false)
        );
    }
}

#[test]
fn functions_are_spread_evenly_over_nodes() {
    let router = router(10, 8);
    let mut owned = BTreeMap::<NodeId, u32>::new();
    for function in 0..10_000 {
        *owned
            .entry(router.order(FunctionId(function))[0])
            .or_default() += 1;
    }
    assert_eq!(owned.len(), 10);
    let (least, most) = (owned.values().min(), owned.values().max());
    assert!(least > Some(&900) && most < Some(&1100), "{owned:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Of the functions, only those move that the new node gets; when it leaves, they move back.
    #[test]
    fn a_joining_node_moves_only_the_functions_it_takes_over(
        nodes in 1_u32..40, new in 1000_u32..2000, functions in 1_u32..200,
    ) {
        let mut router = router(nodes, 8);
        let orders = |router: &Router| -> Vec<Vec<NodeId>> {
            (0..functions).map(|f| router.order(FunctionId(f))).collect()
        };
        let before = orders(&router);
        router.join(NodeId(new), node_key(new), 8);
        let with = orders(&router);
        for (before, with) in before.iter().zip(&with) {
            let others: Vec<NodeId> = with.iter().copied().filter(|n| n.0 != new).collect();
            prop_assert_eq!(before, &others, "the others keep their order");
        }
        router.leave(NodeId(new));
        prop_assert_eq!(before, orders(&router));
    }

    /// The order in which nodes came makes no difference.
    #[test]
    fn the_order_of_nodes_depends_only_on_the_members(mut nodes in prop::collection::btree_set(0_u32..500, 1..30)) {
        let forwards: Vec<u32> = nodes.iter().copied().collect();
        let mut one = Router::new(RouterSettings::default());
        let mut other = one.clone();
        for &node in &forwards {
            one.join(NodeId(node), node_key(node), 4);
        }
        for &node in forwards.iter().rev() {
            other.join(NodeId(node), node_key(node), 4);
        }
        let gone = *forwards.last().expect("there is one");
        nodes.remove(&gone);
        other.leave(NodeId(gone));
        other.join(NodeId(gone), node_key(gone), 4);
        for function in 0..20 {
            prop_assert_eq!(one.order(FunctionId(function)), other.order(FunctionId(function)));
        }
    }

    /// For any sequence of requests and ends, the chosen node had room within its bound.
    #[test]
    fn no_node_gets_more_requests_than_its_bound(
        nodes in 1_u32..20, capacity in 1_u32..20, skew in 1_u32..6,
        steps in prop::collection::vec((any::<u32>(), any::<u32>(), any::<bool>()), 1..600),
    ) {
        let mut router = router(nodes, capacity);
        let mut open: Vec<(FunctionId, NodeId)> = Vec::new();
        for (dice, entry, idle) in steps {
            if dice % 3 == 0 && !open.is_empty() {
                let (function, node) = open.swap_remove(dice as usize / 3 % open.len());
                router.ended(function, node);
                continue;
            }
            let function = FunctionId(dice / 7 % 30 / skew);
            let bounds: BTreeMap<NodeId, u32> =
                router.nodes().map(|node| (node, router.bound(node))).collect();
            let node = route(&mut router, function, NodeId(entry % nodes), idle);
            prop_assert!(router.load(node) <= bounds[&node], "{node}: {}", router.load(node));
            let mean = (open.len() as f64 + 1.0) / f64::from(nodes);
            let quiet = f64::from(capacity / 2);
            prop_assert!(f64::from(router.load(node)) <= (1.25 * mean).ceil().max(quiet));
            open.push((function, node));
        }
        let counted: u32 = router.nodes().map(|node| router.load(node)).sum();
        prop_assert_eq!(counted as usize, open.len());
    }

    /// Where nothing is idle where it entered, every node gives the same answer.
    #[test]
    fn all_nodes_choose_the_same_node_if_none_has_an_idle_instance(
        nodes in 1_u32..15, loads in prop::collection::vec((0_u32..10, 0_u32..15), 0..80),
    ) {
        let mut router = router(nodes, 6);
        for (function, here) in loads {
            route(&mut router, FunctionId(function), NodeId(here % nodes), false);
        }
        for function in 0..12 {
            let answers: BTreeSet<NodeId> = (0..nodes)
                .map(|here| route(&mut router.clone(), FunctionId(function), NodeId(here), false))
                .collect();
            prop_assert_eq!(answers.len(), 1);
        }
    }
}
