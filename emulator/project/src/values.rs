//! Spans of time, sizes and rates as people write them: `"15s"`, `"512MB"`, `3000`.
//!
//! Each is read by hand rather than with serde's `untagged`, which would lose what was wrong. Each
//! serialises as the number that bounds in the schema count in.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A span of time: `"15s"`, `"500ms"`, `"5m"`, `"1h"`, `"7d"`, or a whole number of milliseconds,
/// which is at least 100: a smaller one may have been meant as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TimeSpan(#[serde(serialize_with = "as_millis")] pub Duration);

/// Memory of an instance: `"512MB"`, `"2GB"`, or a whole number of megabytes. Held in MiB: as with
/// every other platform, a megabyte of memory is 1,048,576 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MemorySize(pub u32);

/// A number of bytes, with its unit: `"6MB"`. A bare number is refused, since some tools read it as
/// bytes and others as megabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByteSize(pub u64);

/// Requests a second: a whole number, or `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRate(pub Option<u32>);

/// An address or a range of them: `"10.0.0.0/8"`, `"::1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AddressRange(#[serde(serialize_with = "as_text")] pub IpNet);

const TIME: &str =
    "a span of time such as \"15s\", \"500ms\", \"5m\" or \"1h\", or milliseconds from 100 on";
const MEMORY: &str = "memory such as \"512MB\" or \"2GB\", or megabytes";
const BYTES: &str = "a size with its unit, such as \"6MB\" or \"64KB\"";
const RATE: &str = "requests a second, or \"unlimited\"";
const ADDRESSES: &str = "an address or a range of them, such as \"10.0.0.0/8\" or \"::1\"";

/// The least number of milliseconds that is taken without a unit.
const LEAST_BARE_MS: u64 = 100;
/// The beginning and the end of the refusal of a time without a unit.
const UNITLESS: [&str; 2] = ["a time of ", " has no unit"];

/// The refusal of a number that may be seconds or milliseconds.
fn unitless(number: impl fmt::Display) -> String {
    let [begin, end] = UNITLESS;
    format!("{begin}{number}{end}")
}

/// Returns the hint for such a refusal; `None` if the message is another.
pub(crate) fn unit_hint(message: &str) -> Option<String> {
    let [begin, end] = UNITLESS;
    let number = message.strip_prefix(begin)?.strip_suffix(end)?;
    Some(format!(
        "write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"
    ))
}

fn as_millis<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(span.as_micros() as f64 / 1e3)
}

fn as_text<S: Serializer>(range: &IpNet, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(range)
}

impl fmt::Display for TimeSpan {
    /// As fnlocal.toml spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spell(self.0.as_secs_f64() * 1000.0, "time span"))
    }
}

impl TimeSpan {
    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let millis = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" | "min" => 60e3,
            "h" => 3_600e3,
            "d" => 86_400e3,
            _ => return None,
        };
        // A hundred years, so that nothing below can overflow.
        let micros = number * millis * 1e3;
        (micros < 3.2e15).then(|| Self(Duration::from_micros(micros as u64)))
    }
}

impl MemorySize {
    fn from_text(text: &str) -> Option<Self> {
        let bytes = ByteSize::from_text(text)?.0;
        let mib = bytes / (1 << 20);
        (mib << 20 == bytes).then_some(())?;
        u32::try_from(mib).ok().map(Self)
    }
}

impl ByteSize {
    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let factor = match unit.to_ascii_lowercase().as_str() {
            "b" => 1.0,
            "k" | "kb" | "kib" => 1024.0,
            "m" | "mb" | "mib" => 1024.0 * 1024.0,
            "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        let bytes = number * factor;
        (bytes < 1e15).then_some(Self(bytes as u64))
    }
}

/// Splits `1.5s` into its number and its unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Reads text or a whole number into `T`.
struct Scalar<T> {
    expected: &'static str,
    text: fn(&str) -> Option<T>,
    number: fn(u64) -> Option<T>,
}

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let digits = text.trim();
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        if self.expected == TIME && !digits.is_empty() && digits.chars().all(is_number) {
            return Err(E::custom(unitless(digits)));
        }
        (self.text)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        if self.expected == TIME && (1..LEAST_BARE_MS).contains(&number) {
            return Err(E::custom(unitless(number)));
        }
        (self.number)(number)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        if self.expected == TIME {
            return Err(E::custom(unitless(number)));
        }
        Err(E::invalid_type(de::Unexpected::Float(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        let unsigned = u64::try_from(number)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))?;
        self.visit_u64(unsigned)
    }
}

macro_rules! scalar {
    ($name:ident, $expected:ident, $text:expr, $number:expr, $schema:tt) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(Scalar {
                    expected: $expected,
                    text: $text,
                    number: $number,
                })
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

scalar!(
    TimeSpan,
    TIME,
    TimeSpan::from_text,
    |millis| (millis < 3_200_000_000_000).then(|| TimeSpan(Duration::from_millis(millis))),
    { "x-type": "time span", "type": ["string", "integer"], "minimum": 0,
      "not": { "type": "integer", "minimum": 1, "maximum": 99 },
      "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h|d)$" }
);
scalar!(
    MemorySize,
    MEMORY,
    MemorySize::from_text,
    |mib| u32::try_from(mib).ok().map(MemorySize),
    { "x-type": "memory", "type": ["string", "integer"], "minimum": 0,
      "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgG]([iI]?[bB])?|[bB])$" }
);
scalar!(
    ByteSize,
    BYTES,
    ByteSize::from_text,
    |_| None,
    { "x-type": "size", "type": "string",
      "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgG]([iI]?[bB])?|[bB])$" }
);
scalar!(
    RequestRate,
    RATE,
    |text| (text == "unlimited").then_some(RequestRate(None)),
    |rate| u32::try_from(rate).ok().map(|rate| RequestRate(Some(rate))),
    { "x-type": "rate", "type": ["string", "integer"], "minimum": 1, "pattern": "^unlimited$" }
);

scalar!(
    AddressRange,
    ADDRESSES,
    |text| {
        let range = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
        range.ok().map(|range: IpNet| AddressRange(range.trunc()))
    },
    |_| None,
    { "x-type": "address range", "type": "string",
      "pattern": r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" }
);

/// A number of the schema as fnlocal.toml spells it; `kind` is the `x-type` of its key.
pub(crate) fn spell(number: f64, kind: &str) -> String {
    let units: &[(f64, &str)] = match kind {
        "time span" => &[
            (864e5, "d"),
            (36e5, "h"),
            (6e4, "m"),
            (1e3, "s"),
            (1.0, "ms"),
        ],
        "memory" => &[(1024.0, "GB"), (1.0, "MB")],
        "size" => &[
            (MIB * 1024.0, "GB"),
            (MIB, "MB"),
            (1024.0, "KB"),
            (1.0, "B"),
        ],
        _ => &[],
    };
    let whole = |(size, _): &&(f64, &str)| number >= *size && number % size == 0.0;
    match units.iter().find(whole) {
        Some((size, unit)) => format!("{}{unit}", number / size),
        None => number.to_string(),
    }
}

/// Bytes of a megabyte.
const MIB: f64 = 1024.0 * 1024.0;
