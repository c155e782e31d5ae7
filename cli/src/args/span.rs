//! Spans of time on the command line.

use std::time::Duration;

/// A span such as `30s`, `5m` or `1h`.
pub fn span(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("write it like 30s, 5m or 1h".to_owned()),
    };
    let seconds = number.parse::<f64>().unwrap_or(0.0) * factor;
    if (0.1..=7.0 * 86_400.0).contains(&seconds) {
        Ok(fnlocal_core::time::bounded_secs(seconds))
    } else {
        Err("the time must be between 100ms and a week".to_owned())
    }
}
