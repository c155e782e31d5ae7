//! Loads, spans and pre-scalings as they are written on the command line.

use std::str::FromStr;

use fnlocal_sim::distribution::millis;
use fnlocal_sim::workload::RateShape;

/// A span of time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span(pub f64);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let millis = millis(text).ok_or("write a span of time such as 90s, 10m or 1h")?;
        Ok(Self(millis / 1000.0))
    }
}

/// The kind of load and its rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SimulatedLoad {
    /// The same all the time.
    Steady(f64),
    /// A rise over minutes.
    Surge(f64, f64),
    /// A rise in a second.
    Spike(f64, f64),
    /// A day.
    Diurnal(f64, f64),
}

impl FromStr for SimulatedLoad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "write steady:50, surge:2..500, spike:2..500 or diurnal:5..200";
        let (kind, rates) = text.split_once(':').ok_or(help)?;
        let number = |text: &str| {
            let rate: Option<f64> = text.trim().parse().ok();
            rate.filter(|rate| rate.is_finite() && *rate >= 0.0)
                .ok_or(help)
        };
        if kind == "steady" {
            return Ok(Self::Steady(number(rates)?));
        }
        let (low, high) = rates.split_once("..").ok_or(help)?;
        let (low, high) = (number(low)?, number(high)?);
        match kind {
            "surge" => Ok(Self::Surge(low, high)),
            "spike" => Ok(Self::Spike(low, high)),
            "diurnal" => Ok(Self::Diurnal(low, high)),
            _ => Err(help.to_owned()),
        }
    }
}

impl SimulatedLoad {
    /// The load with its spans, in seconds.
    pub fn shape(self, begin: f64, over: Option<f64>) -> RateShape {
        let ramp = |from, to, usual| RateShape::Ramp {
            from,
            to,
            at: begin,
            over: over.unwrap_or(usual),
        };
        match self {
            Self::Steady(rps) => RateShape::Steady { rps },
            Self::Surge(from, to) => ramp(from, to, 600.0),
            Self::Spike(from, to) => ramp(from, to, 1.0),
            Self::Diurnal(low, high) => RateShape::Diurnal {
                low,
                high,
                period: over.unwrap_or(86_400.0),
            },
        }
    }
}

/// A rate of asynchronous invocations.
#[derive(Clone, Debug, PartialEq)]
pub struct AsyncRate {
    /// Of this function; of all together when none.
    pub function: Option<String>,
    /// How many.
    pub rate: f64,
}

impl FromStr for AsyncRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "write invocations a second, as in 20 or resize=20";
        let (function, rate) = match text.split_once('=') {
            Some((name, rate)) => (Some(name.trim().to_owned()), rate),
            None => (None, text),
        };
        let rate: Option<f64> = rate.trim().parse().ok();
        let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
        let rate = rate.ok_or(help)?;
        Ok(Self { function, rate })
    }
}

/// A number of nodes, and a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodesAt {
    /// How many.
    pub nodes: u32,
    /// When, in seconds from the beginning.
    pub at: f64,
}

impl FromStr for NodesAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "write nodes and when, as in 12@10m";
        let (nodes, at) = text.split_once('@').ok_or(help)?;
        let nodes = nodes.trim().parse().map_err(|_| help)?;
        let Span(at) = at.parse()?;
        Ok(Self { nodes, at })
    }
}
