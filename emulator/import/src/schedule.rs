//! Schedules of other platforms as cron expressions of five fields.

/// Translates `rate(…)`, AWS's `cron(…)` of six fields, `@hourly` and the like, and cron itself.
/// `None` for what five fields cannot say.
pub fn cron(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(rate) = inner(text, "rate") {
        return of_rate(rate);
    }
    if let Some(fields) = inner(text, "cron") {
        return of_aws(fields);
    }
    let named = match text {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    };
    let fields = named.split_whitespace().count();
    let known = |c: char| c.is_ascii_alphanumeric() || "*/,-# ".contains(c);
    (fields == 5 && named.chars().all(known)).then(|| named.to_owned())
}

fn inner<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word)?
        .trim_start()
        .strip_prefix('(')?
        .strip_suffix(')')
}

fn of_rate(rate: &str) -> Option<String> {
    let (count, unit) = rate.trim().split_once(' ')?;
    let count: u32 = count.parse().ok()?;
    match (count, unit.trim().trim_end_matches('s')) {
        (1, "minute") => Some("* * * * *".to_owned()),
        (1, "hour") => Some("0 * * * *".to_owned()),
        (1, "day") => Some("0 0 * * *".to_owned()),
        // Where the step does not divide the hour or the day, the last one would be shorter.
        (2..60, "minute") if 60 % count == 0 => Some(format!("*/{count} * * * *")),
        (2..24, "hour") if 24 % count == 0 => Some(format!("0 */{count} * * *")),
        _ => None,
    }
}

/// AWS's fields: minutes, hours, day of month, month, day of week from 1 for Sunday, year.
fn of_aws(fields: &str) -> Option<String> {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let [minutes, hours, day, month, weekday, year] = fields.as_slice() else {
        return None;
    };
    let special = |field: &str| field.contains(['L', 'W', '#']);
    if *year != "*" || special(day) || (special(weekday) && !is_name(weekday)) {
        return None;
    }
    let star = |field: &str| field.replace('?', "*");
    let weekday: String = weekday
        .split(',')
        .map(|part| {
            let days: Vec<String> = part.split('-').map(day_of_week).collect();
            days.join("-")
        })
        .collect::<Vec<_>>()
        .join(",");
    Some(format!(
        "{minutes} {hours} {} {month} {}",
        star(day),
        star(&weekday)
    ))
}

/// A name such as `WED` has a letter that otherwise means the last or the nearest day.
fn is_name(field: &str) -> bool {
    field
        .split([',', '-'])
        .all(|part| part.len() == 3 && part.chars().all(|c| c.is_ascii_alphabetic()))
}

fn day_of_week(day: &str) -> String {
    match day.parse::<u32>() {
        Ok(number @ 1..=7) => (number - 1).to_string(),
        _ => day.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::cron;

    #[test]
    fn schedules_of_other_platforms_become_five_fields() {
        for (text, wanted) in [
            ("rate(5 minutes)", Some("*/5 * * * *")),
            ("rate(1 hour)", Some("0 * * * *")),
            ("rate(7 minutes)", None),
            ("cron(0 12 * * ? *)", Some("0 12 * * *")),
            ("cron(15 10 ? * MON-FRI *)", Some("15 10 * * MON-FRI")),
            ("cron(0 18 ? * 2-6 *)", Some("0 18 * * 1-5")),
            ("cron(0 10 ? * WED *)", Some("0 10 * * WED")),
            ("cron(0 8 L * ? *)", None),
            ("cron(0 8 1 1 ? 2027)", None),
            ("@daily", Some("0 0 * * *")),
            ("*/10 * * * *", Some("*/10 * * * *")),
            ("every day", None),
        ] {
            assert_eq!(cron(text).as_deref(), wanted, "{text}");
        }
    }
}
