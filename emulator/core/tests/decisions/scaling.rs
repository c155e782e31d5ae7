//! A group that scales as AWS documents it.

use fnlocal_core::NodeId;
use fnlocal_core::scaling::{
    GroupEffect, GroupEvent, GroupSettings, Launch, ScalingGroup, ScalingMetric, ScalingReason,
    Scheduled, WarmPoolSettings,
};
use fnlocal_core::time::{Duration, Instant};

struct Story {
    group: ScalingGroup,
    now: Instant,
    /// Nodes that were launched and not booted.
    booting: Vec<(NodeId, Launch)>,
}

impl Story {
    fn new(settings: GroupSettings) -> Self {
        let mut story = Self {
            group: ScalingGroup::new(settings),
            now: Instant::START,
            booting: Vec::new(),
        };
        let mut effects = Vec::new();
        story.group.begin(story.now, &mut effects);
        story.note(&effects);
        story
    }

    fn note(&mut self, effects: &[GroupEffect]) {
        for effect in effects {
            if let GroupEffect::Launch { node, launch } = *effect {
                self.booting.push((node, launch));
            }
        }
    }

    fn tell(&mut self, event: GroupEvent) -> Vec<GroupEffect> {
        let mut effects = Vec::new();
        self.group.handle(self.now, event, &mut effects);
        self.note(&effects);
        effects
    }

    fn boot_all(&mut self) {
        for (node, _) in std::mem::take(&mut self.booting) {
            self.tell(GroupEvent::Booted(node));
        }
    }

    /// Lets minutes pass, each measuring `value`.
    fn minutes(&mut self, count: u32, value: Option<f64>) -> Vec<GroupEffect> {
        let mut all = Vec::new();
        for _ in 0..count {
            let end = self.now + Duration::from_secs(60);
            while let Some(at) = self.group.next_deadline().filter(|&at| at <= end) {
                self.now = at;
                for effect in self.tell(GroupEvent::DeadlinePassed) {
                    if effect == GroupEffect::Measure {
                        all.extend(self.tell(GroupEvent::Measured(value)));
                    } else {
                        all.push(effect);
                    }
                }
            }
            self.now = end;
        }
        all
    }
}

fn settings() -> GroupSettings {
    GroupSettings {
        min: 2,
        max: 20,
        metric: ScalingMetric::RequestsPerNode(1000),
        ..GroupSettings::default()
    }
}

fn running(settings: GroupSettings) -> Story {
    let mut story = Story::new(settings);
    story.boot_all();
    story.now = Instant::from_millis(600_000);
    story.minutes(1, Some(950.0));
    story
}

fn desired(effects: &[GroupEffect]) -> Vec<(u32, ScalingReason)> {
    let desired = |effect: &GroupEffect| match *effect {
        GroupEffect::Desired { nodes, why } => Some((nodes, why)),
        _ => None,
    };
    effects.iter().filter_map(desired).collect()
}

#[test]
fn a_group_starts_with_its_minimum_of_nodes() {
    let story = Story::new(settings());
    assert_eq!(story.booting.len(), 2);
    assert_eq!(story.group.in_service(), 0);
}

#[test]
fn three_minutes_above_the_target_add_nodes_in_proportion() {
    let mut story = running(settings());
    assert_eq!(desired(&story.minutes(2, Some(2500.0))), []);
    assert_eq!(
        desired(&story.minutes(1, Some(2500.0))),
        [(5, ScalingReason::High)]
    );
    assert_eq!(story.booting.len(), 3);
}

#[test]
fn two_minutes_above_and_one_on_target_add_nothing() {
    let mut story = running(settings());
    for _ in 0..5 {
        assert_eq!(desired(&story.minutes(2, Some(2500.0))), []);
        assert_eq!(desired(&story.minutes(1, Some(1000.0))), []);
    }
}

#[test]
fn booting_nodes_count_towards_the_desired_size() {
    let mut story = running(settings());
    story.minutes(3, Some(2500.0));
    assert_eq!(desired(&story.minutes(5, Some(2500.0))), []);
    story.boot_all();
    assert_eq!(desired(&story.minutes(5, Some(1000.0))), []);
}

#[test]
fn fifteen_minutes_below_ninety_percent_of_the_target_remove_nodes() {
    let mut story = running(GroupSettings {
        min: 1,
        ..settings()
    });
    story.minutes(3, Some(5000.0));
    story.boot_all();
    story.minutes(10, Some(950.0));
    let before = story.group.desired();
    assert_eq!(desired(&story.minutes(14, Some(400.0))), []);
    let effects = story.minutes(1, Some(400.0));
    let after = (f64::from(before) * 0.4).ceil() as u32;
    assert_eq!(desired(&effects), [(after, ScalingReason::Low)]);
}

#[test]
fn no_node_is_removed_just_below_the_target() {
    let mut story = running(settings());
    story.minutes(3, Some(2000.0));
    story.boot_all();
    assert_eq!(desired(&story.minutes(60, Some(910.0))), []);
}

#[test]
fn no_node_is_removed_while_data_is_missing_or_nodes_warm_up() {
    let mut story = running(settings());
    story.minutes(3, Some(2000.0));
    assert_eq!(desired(&story.minutes(60, None)), []);
    assert_eq!(desired(&story.minutes(30, Some(10.0))), [], "they boot");
    story.boot_all();
    assert_eq!(desired(&story.minutes(4, Some(10.0))), [], "they warm up");
    assert!(!desired(&story.minutes(2, Some(10.0))).is_empty());
}

#[test]
fn a_group_stays_within_its_minimum_and_maximum() {
    let mut story = running(settings());
    for _ in 0..20 {
        story.minutes(1, Some(1e9));
        story.boot_all();
    }
    assert_eq!(story.group.desired(), 20);
    story.minutes(120, Some(0.1));
    assert_eq!(story.group.desired(), 2);
}

#[test]
fn a_cooldown_delays_the_next_change() {
    let mut story = running(GroupSettings {
        cooldown: Duration::from_secs(600),
        ..settings()
    });
    story.minutes(3, Some(1500.0));
    story.boot_all();
    assert_eq!(desired(&story.minutes(9, Some(3000.0))), []);
    assert!(!desired(&story.minutes(2, Some(3000.0))).is_empty());
}

#[test]
fn a_scheduled_action_raises_the_minimum_at_its_time() {
    let at = Instant::from_millis(900_000);
    let mut story = running(GroupSettings {
        scheduled: vec![Scheduled {
            at,
            min: Some(12),
            max: None,
        }],
        ..settings()
    });
    assert!(story.group.next_deadline() <= Some(at));
    let effects = story.minutes(5, Some(950.0));
    assert_eq!(desired(&effects), [(12, ScalingReason::Scheduled)]);
    assert_eq!(story.booting.len(), 10);
}

#[test]
fn warm_pool_nodes_are_used_first_and_replaced() {
    let mut story = Story::new(GroupSettings {
        warm_pool: Some(WarmPoolSettings { size: 2 }),
        ..settings()
    });
    assert_eq!(story.booting.len(), 4);
    story.boot_all();
    assert_eq!((story.group.in_service(), story.group.pooled()), (2, 2));
    assert_eq!(story.group.paid(), 2, "stopped machines cost no hours");
    story.minutes(3, Some(2500.0));
    let from = |launch| story.booting.iter().filter(|(_, l)| *l == launch).count();
    assert_eq!(from(Launch::FromPool), 2);
    assert_eq!(from(Launch::Cold), 1);
    assert_eq!(from(Launch::IntoPool), 2);
}

#[test]
fn a_node_that_dies_or_fails_to_boot_is_replaced() {
    let mut story = Story::new(settings());
    let (first, _) = story.booting[0];
    let effects = story.tell(GroupEvent::BootFailed(first));
    assert!(matches!(effects[..], [GroupEffect::Launch { .. }]));
    story.boot_all();
    let effects = story.tell(GroupEvent::Died(NodeId(2)));
    assert!(matches!(effects[..], [GroupEffect::Launch { .. }]));
}

#[test]
fn the_newest_nodes_are_removed_first() {
    let mut story = running(settings());
    story.minutes(3, Some(2000.0));
    story.boot_all();
    let effects = story.minutes(60, Some(100.0));
    let ended = |effect: &GroupEffect| match *effect {
        GroupEffect::Terminate(node) => Some(node.0),
        _ => None,
    };
    let ended: Vec<u32> = effects.iter().filter_map(ended).collect();
    assert_eq!(ended, [4, 3]);
}
