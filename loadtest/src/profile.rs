//! How much is sent when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A shape of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadShape {
    /// The same all the time.
    Steady,
    /// Growing over the whole run, then holding.
    Surge,
    /// Little, suddenly much, little again.
    Spike,
    /// The same for long.
    Soak,
    /// Cold starts, one and many at once.
    Coldstart,
}

/// A part of a run in which load stays or changes evenly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name in the report.
    pub name: String,
    /// How long it lasts.
    pub length: Duration,
    /// Requests a second, or users, at its beginning.
    pub from: f64,
    /// And at its end.
    pub to: f64,
}

impl Segment {
    fn new(name: &str, length: Duration, from: f64, to: f64) -> Self {
        Self {
            name: name.to_owned(),
            length,
            from,
            to,
        }
    }

    /// Requests that arrive in it.
    #[must_use]
    pub fn arrivals(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length.as_secs_f64()
    }
}

impl LoadShape {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Surge => "surge",
            Self::Spike => "spike",
            Self::Soak => "soak",
            Self::Coldstart => "coldstart",
        }
    }

    /// How long it lasts unless somebody says otherwise.
    #[must_use]
    pub const fn default_length(self) -> Duration {
        match self {
            Self::Steady | Self::Coldstart => Duration::from_secs(30),
            Self::Surge | Self::Spike => Duration::from_secs(60),
            Self::Soak => Duration::from_secs(3600),
        }
    }

    /// Its parts: `base` requests a second or users, and `peak` where the shape has one.
    #[must_use]
    pub fn segments(self, base: f64, peak: f64, length: Duration) -> Vec<Segment> {
        let part = |share: f64| fnlocal_core::time::scaled(length, share);
        match self {
            Self::Steady | Self::Soak | Self::Coldstart => {
                vec![Segment::new("steady", length, base, base)]
            }
            Self::Surge => vec![
                Segment::new("before", part(0.15), base, base),
                Segment::new("surge", part(0.60), base, peak),
                Segment::new("peak", part(0.25), peak, peak),
            ],
            // Up within a second or a twentieth of the run: no auto-scaling group follows that.
            Self::Spike => {
                let rise = part(0.05).min(Duration::from_secs(1));
                let rest = length - 2 * rise;
                let before = fnlocal_core::time::scaled(rest, 0.3);
                vec![
                    Segment::new("before", before, base, base),
                    Segment::new("rise", rise, base, peak),
                    Segment::new("spike", before, peak, peak),
                    Segment::new("fall", rise, peak, base),
                    Segment::new("after", fnlocal_core::time::scaled(rest, 0.4), base, base),
                ]
            }
        }
    }
}

/// When requests arrive: evenly spaced at the rate of the moment.
#[derive(Clone, Debug)]
pub struct ArrivalSchedule {
    segments: Vec<Segment>,
    at: usize,
    /// Time and arrivals before the segment at hand.
    before: (f64, f64),
    next: u64,
}

impl ArrivalSchedule {
    /// Arrivals of these segments.
    #[must_use]
    pub fn new(segments: &[Segment]) -> Self {
        Self {
            segments: segments.to_vec(),
            at: 0,
            before: (0.0, 0.0),
            next: 0,
        }
    }

    /// How long they last.
    #[must_use]
    pub fn length(segments: &[Segment]) -> Duration {
        segments.iter().map(|segment| segment.length).sum()
    }
}

impl Iterator for ArrivalSchedule {
    type Item = Duration;

    /// The next arrival, from the beginning of the run: where the integral of the rate reaches the
    /// next whole number.
    fn next(&mut self) -> Option<Duration> {
        loop {
            let segment = self.segments.get(self.at)?;
            let (began, before) = self.before;
            let length = segment.length.as_secs_f64();
            let missing = self.next as f64 - before;
            if missing >= segment.arrivals() {
                self.before = (began + length, before + segment.arrivals());
                self.at += 1;
                continue;
            }
            self.next += 1;
            let slope = (segment.to - segment.from) / length;
            // from·t + slope·t²/2 = missing, in the form that does not divide by a slope of nothing.
            let root = (segment.from * segment.from + 2.0 * slope * missing)
                .max(0.0)
                .sqrt();
            let t = match segment.from + root {
                0.0 => 0.0,
                sum => 2.0 * missing / sum,
            };
            return Some(fnlocal_core::time::bounded_secs(began + t));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_evenly_spaced() {
        let segments = LoadShape::Steady.segments(4.0, 0.0, Duration::from_secs(1));
        let at: Vec<_> = ArrivalSchedule::new(&segments)
            .map(|at| at.as_millis())
            .collect();
        assert_eq!(at, [0, 250, 500, 750]);
    }

    #[test]
    fn a_rising_rate_has_as_many_arrivals_as_its_integral() {
        let length = Duration::from_secs(20);
        for shape in [LoadShape::Surge, LoadShape::Spike] {
            let segments = shape.segments(10.0, 100.0, length);
            assert_eq!(ArrivalSchedule::length(&segments), length);
            let wanted: f64 = segments.iter().map(Segment::arrivals).sum();
            let at: Vec<_> = ArrivalSchedule::new(&segments).collect();
            assert!((at.len() as f64 - wanted).abs() <= 1.0, "{shape:?}");
            assert!(at.is_sorted(), "{shape:?}");
            assert!(at.iter().all(|&at| at <= length), "{shape:?}");
        }
    }

    #[test]
    fn a_rate_rising_from_zero_has_arrivals() {
        let segments = [Segment::new("rise", Duration::from_secs(2), 0.0, 10.0)];
        let at: Vec<_> = ArrivalSchedule::new(&segments).collect();
        assert_eq!(at.len(), 10);
        assert!(at[9] > Duration::from_millis(1800), "{at:?}");
    }
}
