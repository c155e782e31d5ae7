//! Spans of time, sizes and rates as people write them: `"15s"`, `"512MB"`, `3000`.
//!
//! Each is written by hand rather than with serde's `untagged`, which would lose what was wrong.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// A span of time: `"15s"`, `"500ms"`, `"5m"`, `"1h"`, `"7d"`, or a whole number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TimeSpan(pub Duration);

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
pub struct Rate(pub Option<u32>);

const TIME: &str = "a span of time such as \"15s\", \"500ms\", \"5m\" or \"1h\", or milliseconds";
const MEMORY: &str = "memory such as \"512MB\" or \"2GB\", or megabytes";
const BYTES: &str = "a size with its unit, such as \"6MB\" or \"64KB\"";
const RATE: &str = "requests a second, or \"unlimited\"";

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
        (self.text)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.number)(number)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
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
    { "type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h|d)$", "minimum": 0 }
);
scalar!(
    MemorySize,
    MEMORY,
    MemorySize::from_text,
    |mib| u32::try_from(mib).ok().map(MemorySize),
    { "type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgG]([iI]?[bB])?|[bB])$", "minimum": 0 }
);
scalar!(
    ByteSize,
    BYTES,
    ByteSize::from_text,
    |_| None,
    { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgG]([iI]?[bB])?|[bB])$" }
);
scalar!(
    Rate,
    RATE,
    |text| (text == "unlimited").then_some(Rate(None)),
    |rate| u32::try_from(rate).ok().map(|rate| Rate(Some(rate))),
    { "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "unlimited" }] }
);
