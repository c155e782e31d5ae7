//! The filter that a person writes to choose what is shown, as `tracing-subscriber` understands it.
//!
//! A part of fnlocal is named by its crate without `fnlocal_`; a level alone is for all of them.

use std::borrow::Cow;

/// The parts of fnlocal: its crates without their prefix, and `cli` for the program itself.
const PARTS: [&str; 17] = [
    "api", "cli", "cloud", "core", "driver", "emulator", "engine", "faults", "files", "gateway",
    "image", "loadtest", "logs", "project", "registry", "runtime", "triggers",
];
/// How the names of other crates that have something to say begin.
const OTHERS: [&str; 6] = ["aws_", "h2", "hyper", "oci_client", "quinn", "tower"];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why a filter makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The filter cannot be read.
    #[error("FNLOCAL_LOG cannot be read: {0}")]
    Malformed(String),
    /// There is no such part.
    #[error("FNLOCAL_LOG names `{0}`, which is not a part of fnlocal")]
    Part(String),
    /// There is no such level.
    #[error("FNLOCAL_LOG names `{0}`, which is not a level")]
    Level(String),
    /// Another crate's is never written to the file.
    #[error("FNLOCAL_LOG names `{0}`, a library whose events go to stderr only")]
    OnlyStderr(String),
}

impl FilterError {
    /// Returns one action that helps.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed(_) => "write FNLOCAL_LOG=gateway=debug,runtime=trace".to_owned(),
            Self::Part(name) => {
                let near = PARTS
                    .iter()
                    .find(|part| strsim::levenshtein(part, name) <= 2);
                match near {
                    Some(part) => format!("did you mean `{part}`?"),
                    None => format!("parts are {}", PARTS.join(", ")),
                }
            }
            Self::Level(_) => format!("levels are {}", LEVELS.join(", ")),
            Self::OnlyStderr(_) => "unset FNLOCAL_LOG_TO".to_owned(),
        }
    }
}

/// Returns whether a target is a part of fnlocal.
fn is_ours(target: &str) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    krate == "fnlocal" || krate.starts_with("fnlocal_")
}

/// Returns what `text` and the count of `-v` ask for, `None` if that is nothing.
pub fn directives(text: &str, verbosity: u8, to_file: bool) -> Result<Option<String>, FilterError> {
    // A dependency may quote headers and bodies, and the file may become part of a bug report.
    let others = if to_file { "off" } else { "warn" };
    let mut all = vec![others.to_owned()];
    match verbosity {
        0 if text.is_empty() && !to_file => return Ok(None),
        0 if text.is_empty() => all.push("fnlocal=info".to_owned()),
        0 => {}
        1 => all.push("fnlocal=info".to_owned()),
        _ => all.push("fnlocal=debug".to_owned()),
    }
    let parts = split(text).into_iter().map(str::trim);
    for one in parts.filter(|one| !one.is_empty()) {
        all.push(directive(one, to_file)?);
    }
    Ok(Some(all.join(",")))
}

/// Splits at commas, but for those inside of a span's fields.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ',' && depth <= 0
    })
    .collect()
}

fn directive(one: &str, to_file: bool) -> Result<String, FilterError> {
    let end = one.find(['=', '[']).unwrap_or(one.len());
    let (target, rest) = one.split_at(end);
    if rest.is_empty() && is_level(target) {
        return Ok(format!("fnlocal={target}"));
    }
    if rest.starts_with('[') && !rest.contains(']') {
        return Err(FilterError::Malformed(format!("`{one}` lacks a `]`")));
    }
    let target = crate_of(target.trim(), to_file)?;
    // The level stands behind the last `=` that is not one of a span's field.
    let level = rest
        .rsplit(']')
        .next()
        .and_then(|rest| rest.strip_prefix('='));
    match level {
        Some(level) if !is_level(level) => Err(FilterError::Level(level.trim().to_owned())),
        _ => Ok(format!("{target}{rest}")),
    }
}

fn is_level(word: &str) -> bool {
    let word = word.trim();
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

/// The crate that a target names.
fn crate_of(target: &str, to_file: bool) -> Result<Cow<'_, str>, FilterError> {
    let name = target.split("::").next().unwrap_or_default();
    if name == "cli" {
        // Without the colons it would be all of fnlocal.
        let below = target.strip_prefix("cli::").unwrap_or_default();
        return Ok(format!("fnlocal::{below}").into());
    }
    if PARTS.contains(&name) {
        return Ok(format!("fnlocal_{target}").into());
    }
    if is_ours(name) {
        return Ok(target.into());
    }
    if OTHERS.iter().any(|other| name.starts_with(other)) {
        return if to_file {
            Err(FilterError::OnlyStderr(name.to_owned()))
        } else {
            Ok(target.into())
        };
    }
    Err(FilterError::Part(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        directives(text, 0, false).unwrap().unwrap()
    }

    #[test]
    fn a_filter_names_parts_without_their_crate_prefix() {
        assert_eq!(
            of("gateway=debug, runtime=trace"),
            "warn,fnlocal_gateway=debug,fnlocal_runtime=trace"
        );
        assert_eq!(of("cli=info"), "warn,fnlocal::=info");
        assert_eq!(
            of("gateway::access_log=debug"),
            "warn,fnlocal_gateway::access_log=debug"
        );
        assert_eq!(of("fnlocal_image"), "warn,fnlocal_image");
        assert_eq!(
            of("gateway[request{function=bid,node=n0}]=debug,DEBUG"),
            "warn,fnlocal_gateway[request{function=bid,node=n0}]=debug,fnlocal=DEBUG"
        );
    }

    #[test]
    fn verbosity_applies_to_fnlocal_crates_and_the_filter_extends_it() {
        assert_eq!(directives("", 0, false).unwrap(), None);
        let both = directives("hyper=debug", 2, false).unwrap().unwrap();
        assert_eq!(both, "warn,fnlocal=debug,hyper=debug");
        assert_eq!(
            directives("", 0, true).unwrap().unwrap(),
            "off,fnlocal=info"
        );
    }

    #[test]
    fn an_invalid_filter_is_an_error_with_a_hint() {
        for (text, hint) in [
            ("gatewey=debug", "`gateway`"),
            ("gateway=loud", "levels are"),
            ("nonsense", "parts are"),
            ("=debug", "parts are"),
            ("gateway=", "levels are"),
            ("[request]=debug", "parts are"),
        ] {
            let error = directives(text, 0, false).unwrap_err();
            assert!(error.hint().contains(hint), "{text}: {}", error.hint());
        }
        assert!(directives("hyper=trace", 0, true).is_err());
    }

    #[test]
    fn an_expanded_filter_parses_as_a_tracing_filter() {
        for text in [
            "debug",
            "cli=info",
            "gateway[request{function=bid}]=trace",
            "aws_config=warn",
        ] {
            let parsed = tracing_subscriber::EnvFilter::builder().parse(of(text));
            assert!(parsed.is_ok(), "{text}: {parsed:?}");
        }
    }
}
