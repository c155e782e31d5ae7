//! Pages of the reference from `fnlocal-api`: headers, exit codes and refusals. The documentation of
//! constants and variants is not there at run time, so their source is read.

use fnlocal_api::{Cold, RefuseReason, StartKind};
use regex::Regex;

use super::page::read;

/// Returns `docs/reference/headers.md`.
pub fn headers() -> String {
    let source = read("emulator/api/src/headers.rs");
    let constants = Regex::new("((?:///.*\n)+)pub const (?:\\w+): &str = \"(.+)\";").unwrap();
    let mut page = "\
<!-- Written by `make generate` from emulator/api/src/headers.rs. Do not edit. -->

# HTTP headers

fnlocal removes `x-fnlocal-*` headers that clients or functions set and that are not theirs to set.

| header | meaning |
|---|---|
"
    .to_owned();
    for found in constants.captures_iter(&source) {
        if found[2].ends_with('-') {
            continue;
        }
        page += &format!("| `{}` | {} |\n", &found[2], text(&found[1]));
    }
    page += "\n## x-fnlocal-start\n\n| word | the request waited for |\n|---|---|\n";
    for kind in StartKind::ALL {
        let variant = format!("{kind:?}");
        page += &word("emulator/api/src/start.rs", &variant, kind.word());
    }
    page += "\n## x-fnlocal-cold\n\n| word | reason |\n|---|---|\n";
    for cold in Cold::ALL {
        let variant = format!("{cold:?}");
        page += &word("emulator/api/src/timing.rs", &variant, cold.word());
    }
    page
}

/// Returns the row of a variant: its word, and its documentation in the source.
fn word(file: &str, variant: &str, word: &str) -> String {
    let variant = Regex::new(&format!("((?: *///.*\n)+) *{variant},")).unwrap();
    let source = read(file);
    let found = variant.captures(&source).unwrap();
    format!("| `{word}` | {} |\n", text(&found[1]))
}

/// Returns `docs/reference/exit-codes.md`.
pub fn exit_codes() -> String {
    let source = read("emulator/api/src/exit.rs");
    let variants = Regex::new("((?: *///.*\n)+) *\\w+ = (\\d+),").unwrap();
    let mut page = "\
<!-- Written by `make generate` from emulator/api/src/exit.rs. Do not edit. -->

# Exit codes

| code | meaning |
|---|---|
"
    .to_owned();
    for found in variants.captures_iter(&source) {
        page += &format!("| {} | {} |\n", &found[2], text(&found[1]));
    }
    page
}

/// Returns `docs/reference/refusals.md`.
pub fn refusals() -> String {
    let mut page = "\
<!-- Written by `make generate` from emulator/api/src/refusal.rs. Do not edit. -->

# Refusals

The platform answers these itself, as `application/problem+json` (RFC 9457) with `reason`, `detail` and,
where something helps, `hint`. A function's own answers never have a `reason` of this list.

| status | `reason` | `detail` | `hint` |
|---|---|---|---|
"
    .to_owned();
    for reason in RefuseReason::ALL {
        page += &format!(
            "| {} | `{}` | {} | {} |\n",
            reason.status(),
            reason.word(),
            reason.detail(),
            reason.hint().unwrap_or_default()
        );
    }
    page
}

/// The text of a comment, as one line of Markdown.
fn text(comment: &str) -> String {
    let lines = comment
        .lines()
        .map(|line| line.trim().trim_start_matches('/').trim());
    let text = lines.collect::<Vec<_>>().join(" ");
    let text = text.replace("[`crate::StartKind`]", "[this table](#x-fnlocal-start)");
    text.replace("[`crate::Cold`]", "[this table](#x-fnlocal-cold)")
}
