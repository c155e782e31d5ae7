//! A balancer that does what an ALB's documentation says.

use fnlocal_core::NodeId;
use fnlocal_core::balancer::{
    Balancer, BalancerEffect, BalancerEvent, BalancerSettings, TargetFailure, TargetState,
};
use fnlocal_core::time::{Duration, Instant};

struct Story {
    balancer: Balancer,
    now: Instant,
}

impl Story {
    fn new(settings: BalancerSettings) -> Self {
        Self {
            balancer: Balancer::new(settings),
            now: Instant::START,
        }
    }

    fn tell(&mut self, event: BalancerEvent) -> Vec<BalancerEffect> {
        let mut effects = Vec::new();
        self.balancer.handle(self.now, event, &mut effects);
        effects
    }

    /// Registers targets that pass their first check.
    fn with(&mut self, nodes: std::ops::Range<u32>) {
        for node in nodes.map(NodeId) {
            self.tell(BalancerEvent::Registered(node));
            self.tell(BalancerEvent::CheckPassed(node));
        }
    }

    /// Lets time pass; `healthy` says who passes the checks on the way.
    fn pass(&mut self, seconds: u64, healthy: impl Fn(NodeId) -> bool) -> Vec<BalancerEffect> {
        let end = self.now + Duration::from_secs(seconds);
        let mut all = Vec::new();
        while let Some(at) = self.balancer.next_deadline().filter(|&at| at <= end) {
            self.now = at;
            for effect in self.tell(BalancerEvent::DeadlinePassed) {
                all.push(effect);
                if let BalancerEffect::Check(node) = effect {
                    let event = match healthy(node) {
                        true => BalancerEvent::CheckPassed(node),
                        false => BalancerEvent::CheckFailed(node),
                    };
                    all.extend(self.tell(event));
                }
            }
        }
        self.now = end;
        all
    }

    fn picks(&mut self, count: u32) -> Vec<u32> {
        let pick = |_| self.balancer.pick(self.now).map_or(u32::MAX, |node| node.0);
        (0..count).map(pick).collect()
    }
}

#[test]
fn requests_are_distributed_round_robin_over_healthy_targets() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..3);
    assert_eq!(story.picks(7), [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn the_balancer_answers_503_without_targets() {
    let mut story = Story::new(BalancerSettings::default());
    let failure = story.balancer.pick(story.now).expect_err("there is nobody");
    assert_eq!(failure, TargetFailure::NoTarget);
    assert_eq!(failure.status(), 503);
}

#[test]
fn a_target_is_in_service_after_its_first_passed_check() {
    let mut story = Story::new(BalancerSettings::default());
    let node = NodeId(1);
    let effects = story.tell(BalancerEvent::Registered(node));
    assert_eq!(effects, [BalancerEffect::Check(node)], "at once");
    assert_eq!(story.balancer.state(node), Some(TargetState::Initial));
    assert!(story.balancer.pick(story.now).is_err());
    let effects = story.tell(BalancerEvent::CheckPassed(node));
    assert_eq!(effects, [BalancerEffect::InService(node)]);
    assert_eq!(story.picks(1), [1]);
}

#[test]
fn two_failed_checks_take_a_target_out_of_service_and_five_passed_ones_restore_it() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..2);
    story.pass(30, |node| node.0 == 1);
    assert_eq!(story.balancer.state(NodeId(0)), Some(TargetState::Healthy));
    let effects = story.pass(30, |node| node.0 == 1);
    assert!(effects.contains(&BalancerEffect::OutOfService(NodeId(0))));
    assert_eq!(story.picks(3), [1, 1, 1]);
    story.pass(120, |_| true);
    assert_eq!(
        story.balancer.state(NodeId(0)),
        Some(TargetState::Unhealthy)
    );
    story.pass(30, |_| true);
    assert_eq!(story.balancer.state(NodeId(0)), Some(TargetState::Healthy));
}

#[test]
fn if_no_target_is_healthy_all_targets_are_used() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..2);
    story.pass(60, |_| false);
    assert_eq!(story.balancer.healthy(), 0);
    assert_eq!(story.picks(2).len(), 2);
    assert_eq!(story.balancer.in_service(), 2);
}

#[test]
fn a_deregistered_target_finishes_its_requests_and_receives_no_new_ones() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..2);
    story.picks(2);
    assert_eq!(story.tell(BalancerEvent::Deregistered(NodeId(0))), []);
    assert_eq!(story.picks(2), [1, 1]);
    assert_eq!(
        story.tell(BalancerEvent::Ended(NodeId(0))),
        [BalancerEffect::Released(NodeId(0))]
    );
}

#[test]
fn a_deregistered_target_without_requests_is_released_immediately() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..2);
    let effects = story.tell(BalancerEvent::Deregistered(NodeId(0)));
    assert_eq!(effects, [BalancerEffect::Released(NodeId(0))]);
}

#[test]
fn a_busy_target_is_released_after_the_deregistration_delay() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..2);
    story.picks(2);
    story.tell(BalancerEvent::Deregistered(NodeId(0)));
    let released = BalancerEffect::Released(NodeId(0));
    assert!(!story.pass(299, |_| true).contains(&released));
    assert!(story.pass(1, |_| true).contains(&released));
}

#[test]
fn a_new_target_begins_with_a_small_share_that_grows() {
    let settings = BalancerSettings {
        slow_start: Duration::from_secs(100),
        ..BalancerSettings::default()
    };
    let mut story = Story::new(settings);
    story.with(0..1);
    story.with(1..2);
    let share = |story: &mut Story| story.picks(1000).iter().filter(|&&n| n == 1).count();
    assert!(share(&mut story) < 10);
    story.now = Instant::from_millis(50_000);
    let half = share(&mut story);
    assert!(
        (320..350).contains(&half),
        "{half}: half a turn of one and a half"
    );
    story.now = Instant::from_millis(100_000);
    assert_eq!(share(&mut story), 500);
}

#[test]
fn the_first_targets_of_a_group_skip_slow_start() {
    let settings = BalancerSettings {
        slow_start: Duration::from_secs(100),
        ..BalancerSettings::default()
    };
    let mut story = Story::new(settings);
    story.with(0..1);
    assert_eq!(story.picks(3), [0, 0, 0]);
}

#[test]
fn a_machine_that_is_gone_receives_no_requests() {
    let mut story = Story::new(BalancerSettings::default());
    story.with(0..3);
    story.tell(BalancerEvent::Gone(NodeId(1)));
    assert_eq!(story.picks(4), [0, 2, 0, 2]);
}

#[test]
fn the_balancers_own_answers_match_those_of_an_alb() {
    assert_eq!(TargetFailure::Broken.status(), 502);
    assert_eq!(TargetFailure::NoConnection.status(), 504);
    assert_eq!(TargetFailure::Silent.status(), 504);
    let settings = BalancerSettings::default();
    assert_eq!(settings.idle_timeout.as_secs(), 60);
    assert_eq!(settings.deregistration_delay.as_secs(), 300);
}

#[test]
fn removed_targets_leave_no_deadlines_behind() {
    let mut story = Story::new(BalancerSettings::default());
    for round in 0..50 {
        story.with(round..round + 3);
        story.picks(5);
        for node in (round..round + 3).map(NodeId) {
            story.tell(BalancerEvent::Deregistered(node));
        }
        story.pass(301, |_| true);
    }
    assert_eq!(story.balancer.next_deadline(), None);
    assert_eq!(story.balancer.in_service(), 0);
}
