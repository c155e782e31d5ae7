//! The two alarms of a target-tracking policy.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Datapoints above the target before nodes are added: the alarm `AlarmHigh` that EC2 Auto Scaling
/// makes for a policy evaluates 3 of 3 one-minute periods.
const HIGH: usize = 3;
/// Datapoints below before nodes are removed: its `AlarmLow` evaluates 15 of 15 one-minute periods.
const LOW: usize = 15;
/// `AlarmLow`'s threshold, of the target. "The scale-in threshold is more than 10 percent lower
/// than the target value" (docs.aws.amazon.com/autoscaling/application/userguide, "How target
/// tracking works").
const LOW_PART: f64 = 0.9;

/// The last datapoints, judged against the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Alarms {
    /// The newest last. `None` if there was no datapoint.
    points: VecDeque<Option<Point>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    value: f64,
    high: bool,
    low: bool,
}

impl Alarms {
    /// Takes in the datapoint of a minute.
    pub(super) fn push(&mut self, value: Option<f64>, target: f64) {
        let judge = |value| Point {
            value,
            high: value > target,
            low: value < target * LOW_PART,
        };
        self.points.push_back(value.map(judge));
        if self.points.len() > LOW {
            self.points.pop_front();
        }
    }

    /// The last three minutes were above the target.
    pub(super) fn high(&self) -> bool {
        self.all(HIGH, |point| point.high)
    }

    /// The last fifteen minutes were well below it. A minute without a datapoint is none of them:
    /// the alarm then lacks data, and nothing is removed.
    pub(super) fn low(&self) -> bool {
        self.all(LOW, |point| point.low)
    }

    /// The highest of the last fifteen.
    pub(super) fn highest_low(&self) -> f64 {
        let values = self.points.iter().flatten().map(|point| point.value);
        values.fold(0.0, f64::max)
    }

    fn all(&self, count: usize, holds: impl Fn(&Point) -> bool) -> bool {
        let last = self.points.iter().rev().take(count);
        let last: Vec<_> = last.map(Option::as_ref).collect();
        last.len() == count && last.into_iter().all(|point| point.is_some_and(&holds))
    }
}
