//! One request's outcome.

use fnlocal_api::{Cold, StartKind, headers as api_headers};
use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// The start kind or failure of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// An idle instance.
    Warm,
    /// A spare that had to import the function's code.
    Spare,
    /// An instance that had to be created, while the function had none.
    First,
    /// An instance that had to be created, since those there were did not suffice.
    ScaleOut,
    /// A busy instance it had to wait for.
    Queued,
    /// The platform answered in the function's stead.
    Refused,
    /// Something answered that is no fnlocal.
    Other,
    /// Nothing: no answer came.
    Failed,
}

impl SampleKind {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Warm,
        Self::Spare,
        Self::First,
        Self::ScaleOut,
        Self::Queued,
        Self::Refused,
        Self::Other,
        Self::Failed,
    ];

    /// Its name in reports and budgets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warm => StartKind::Warm.word(),
            Self::Spare => StartKind::Spare.word(),
            Self::First => "first",
            Self::ScaleOut => "scale_out",
            Self::Queued => StartKind::Queued.word(),
            Self::Refused => "refused",
            Self::Other => "other",
            Self::Failed => "failed",
        }
    }

    /// Returns what people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::First => "cold, first",
            Self::ScaleOut => "cold, more load",
            Self::Other => "answered",
            Self::Failed => "no answer",
            Self::Warm | Self::Spare | Self::Queued | Self::Refused => self.name(),
        }
    }

    /// Returns its colour in charts, as CSS writes it for light and dark pages.
    #[must_use]
    pub const fn colour(self) -> &'static str {
        match self {
            Self::Warm => StartKind::Warm.colour(),
            Self::Spare => StartKind::Spare.colour(),
            Self::First => StartKind::Cold.colour(),
            Self::Queued => StartKind::Queued.colour(),
            Self::ScaleOut => "light-dark(#ef8a17, #ffb454)",
            Self::Refused => "light-dark(#66717f, #9aa6b5)",
            Self::Other => "light-dark(#3b76c4, #74a9f0)",
            Self::Failed => "light-dark(#8d1630, #ff5d8f)",
        }
    }

    /// Returns what the gateway calls it. `None` if no instance answered.
    #[must_use]
    pub const fn start(self) -> Option<StartKind> {
        match self {
            Self::Warm => Some(StartKind::Warm),
            Self::Spare => Some(StartKind::Spare),
            Self::First | Self::ScaleOut => Some(StartKind::Cold),
            Self::Queued => Some(StartKind::Queued),
            Self::Refused | Self::Other | Self::Failed => None,
        }
    }

    /// An answer's kind by its headers.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let word = |name: &str| headers.get(name).map(|value| value.as_bytes());
        let Some(start) = word(api_headers::START) else {
            return match headers.contains_key(api_headers::REQUEST_ID) {
                true => Self::Refused,
                false => Self::Other,
            };
        };
        match StartKind::of_word(start) {
            Some(StartKind::Warm) => Self::Warm,
            Some(StartKind::Spare) => Self::Spare,
            Some(StartKind::Queued) => Self::Queued,
            Some(StartKind::Cold) => match word(api_headers::COLD) {
                Some(cold) if cold == Cold::ScaleOut.word().as_bytes() => Self::ScaleOut,
                _ => Self::First,
            },
            None => Self::Other,
        }
    }
}

/// Where the time at the gateway went, by its `Server-Timing`. Microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayPhases {
    /// Waiting for an instance.
    pub queue: u64,
    /// Creating and starting it.
    pub create: u64,
    /// Until its wrapper answered.
    pub boot: u64,
    /// Until its code was imported.
    pub import: u64,
    /// In the handler, to the first byte.
    pub handler: u64,
}

impl GatewayPhases {
    /// Reads `queue;dur=0.12, create;dur=65, …`. The platform's line is the last; a function may
    /// have sent others.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let line = headers.get_all("server-timing").iter().next_back()?;
        let line = line.to_str().ok()?;
        if !line.starts_with("queue;dur=") {
            return None;
        }
        let mut phases = Self::default();
        for part in line.split(", ") {
            let (name, millis) = part.split_once(";dur=")?;
            let micros = (millis.parse::<f64>().ok()? * 1000.0).round() as u64;
            match name {
                "queue" => phases.queue = micros,
                "create" => phases.create = micros,
                "boot" => phases.boot = micros,
                "import" => phases.import = micros,
                "handler" => phases.handler = micros,
                _ => {}
            }
        }
        Some(phases)
    }

    /// Their names and lengths, in the order they happen.
    #[must_use]
    pub const fn each(&self) -> [(&'static str, u64); 5] {
        [
            ("queue", self.queue),
            ("create", self.create),
            ("boot", self.boot),
            ("import", self.import),
            ("handler", self.handler),
        ]
    }
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoAnswer {
    /// No connection could be made.
    Connect,
    /// The connection broke.
    Broke,
    /// The request took longer than its timeout.
    Timeout,
}

impl NoAnswer {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Broke => "connection broke",
            Self::Timeout => "timed out",
        }
    }
}

/// One request's outcome.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The step of the scenario.
    pub step: usize,
    /// When it was to be sent, from the beginning of the run.
    pub at: Duration,
    /// How much later it was sent: the generator's own fault.
    pub lag: Duration,
    /// From when it was to be sent to the last byte of its answer.
    pub latency: Duration,
    /// The start kind or failure.
    pub kind: SampleKind,
    /// The answer's status; 0 when none came.
    pub status: u16,
    /// Why none came.
    pub failure: Option<NoAnswer>,
    /// The answer was not as expected, or none came.
    pub error: bool,
    /// Where its time at the gateway went.
    pub phases: Option<GatewayPhases>,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn cold_starts_of_a_first_request_and_of_scale_out_are_distinguished() {
        let first = headers(&[(api_headers::START, "cold"), (api_headers::COLD, "first")]);
        let more = headers(&[
            (api_headers::START, "cold"),
            (api_headers::COLD, "scale-out"),
        ]);
        assert_eq!(
            (
                SampleKind::from_headers(&first),
                SampleKind::from_headers(&more)
            ),
            (SampleKind::First, SampleKind::ScaleOut)
        );
    }

    #[test]
    fn an_answer_without_a_start_header_is_a_refusal_or_of_another_server() {
        let platform = headers(&[(api_headers::REQUEST_ID, "1")]);
        assert_eq!(SampleKind::from_headers(&platform), SampleKind::Refused);
        assert_eq!(
            SampleKind::from_headers(&HeaderMap::new()),
            SampleKind::Other
        );
    }

    #[test]
    fn the_platforms_server_timing_is_parsed_and_that_of_the_function_ignored() {
        let both = headers(&[
            ("server-timing", "db;dur=5"),
            (
                "server-timing",
                "queue;dur=0.12, create;dur=65, boot;dur=31, import;dur=0, handler;dur=4.5",
            ),
        ]);
        let phases = GatewayPhases::from_headers(&both).unwrap();
        assert_eq!(
            (phases.queue, phases.create, phases.handler),
            (120, 65_000, 4_500)
        );
        assert_eq!(
            GatewayPhases::from_headers(&headers(&[("server-timing", "db;dur=5")])),
            None
        );
    }
}
