//! `docs/reference/errors.md`: the text of every error and its hint. Both are formats in the source, so
//! the source is read: `#[error("…")]`, and the arms of `user_error!`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use fnlocal_language::Language;
use regex::Regex;

use super::page::root;

const HEAD: &str = "\
<!-- Written by `make generate` from `#[error]` and `user_error!` in the sources. Do not edit. -->

# Errors

The text of every error with a type of its own, and the hint below it. A name in braces stands for the
thing that the error is about. Answers of the gateway are in [refusals](refusals.md).
";

/// The parts of the page, by the beginning of their files' paths.
const PARTS: [(&str, &str); 10] = [
    ("cli/", "Commands"),
    ("cloud/", "AWS"),
    ("loadtest/", "Load tests"),
    ("emulator/project/", "Projects and fnlocal.toml"),
    ("emulator/language/", "Dependencies"),
    ("emulator/image/", "Images and releases"),
    ("emulator/engine/", "Container engines"),
    ("emulator/runtime/", "Instances"),
    ("emulator/triggers/", "Queue, schedules and event sources"),
    ("emulator/", "Other parts"),
];

/// Hints that languages give, by the calls that stand for them.
fn of_languages() -> Vec<(&'static str, String)> {
    let each = |said: fn(&dyn Language) -> &'static str| {
        let all: Vec<&str> = fnlocal_language::all().map(said).collect();
        all.join("; or: ").replace('\n', " ")
    };
    vec![
        (
            "no_program_hint()",
            each(|language| language.no_program_hint()),
        ),
        (
            "first_function()",
            each(|language| language.first_function()),
        ),
        ("=> *hint", each(|language| language.outside_hint())),
    ]
}

/// Returns the page.
pub fn write() -> String {
    let mut files = Vec::new();
    for folder in ["cli/src", "cloud/src", "loadtest/src", "emulator"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    let mut rows: BTreeMap<usize, String> = BTreeMap::new();
    for file in files {
        let at = PARTS
            .iter()
            .position(|(from, _)| file.starts_with(from))
            .unwrap();
        *rows.entry(at).or_default() +=
            &errors_of(&fs::read_to_string(root().join(&file)).unwrap());
    }
    let mut page = HEAD.to_owned();
    for (at, rows) in rows.iter().filter(|(_, rows)| !rows.is_empty()) {
        write!(
            page,
            "\n## {}\n\n| error | hint |\n|---|---|\n{rows}",
            PARTS[*at].1
        )
        .unwrap();
    }
    page
}

/// Adds the paths of sources below a folder, without tests.
fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !["tests", "benches", "fuzz", "target", "documents"].contains(&&*name) {
            collect(&path, files);
        } else if name.ends_with(".rs") {
            let path = path.strip_prefix(root()).unwrap();
            files.push(path.display().to_string());
        }
    }
}

/// Returns the rows for one file.
fn errors_of(source: &str) -> String {
    let error = r#"(?s)#\[error\(\s*("(?:[^"\\]|\\.)*").*?\)\]\s*(?:#\[.*?\]\s*|///[^\n]*\s*)*(?:pub )?(?:struct |enum )?(\w+)"#;
    let error = Regex::new(error).unwrap();
    let hints = hints_of(source);
    let mut rows = String::new();
    for found in error.captures_iter(source) {
        let hint = hints.get(&found[2]).map(String::as_str).unwrap_or_default();
        writeln!(rows, "| {} | {hint} |", text(&found[1])).unwrap();
    }
    rows
}

/// Returns the hints by the variant that they are for.
fn hints_of(source: &str) -> BTreeMap<String, String> {
    let arm = r"(?s)((?:Self::\w+(?:\s*\{[^}]*\}|\([^)]*\))?\s*\|?\s*)+)(?:if [^=]+(?:==[^=]+)?)?=>(.*?);\n";
    let arm = Regex::new(arm).unwrap();
    let variant = Regex::new(r"Self::(\w+)").unwrap();
    let literal = Regex::new(r#"(?s)"(?:[^"\\]|\\.)*""#).unwrap();
    let mut hints: BTreeMap<String, String> = BTreeMap::new();
    for (start, _) in source.match_indices("user_error!(") {
        let block = &source[start..];
        let block = &block[..block.find("\n});").map_or(block.len(), |end| end + 1)];
        let name = block
            .trim_start_matches("user_error!(")
            .split([':', ' '])
            .next();
        let one_arm = format!("\n    Self::{} =>", name.unwrap_or_default());
        for found in arm.captures_iter(&block.replace("\n    _ =>", &one_arm)) {
            let said = literal.find_iter(&found[2]).map(|one| text(one.as_str()));
            let mut said: Vec<String> = said.filter(|one| one.trim().contains(' ')).collect();
            let mut languages = of_languages().into_iter();
            said.extend(languages.find_map(|(call, hint)| found[0].contains(call).then_some(hint)));
            for name in variant.captures_iter(&found[1]) {
                let hint = hints.entry(name[1].to_owned()).or_default();
                if !hint.is_empty() && !said.is_empty() {
                    *hint += "; or: ";
                }
                *hint += &said.join("; or: ");
            }
        }
    }
    hints
}

/// A string of the source as one cell of a table.
fn text(literal: &str) -> String {
    let joined = Regex::new(r"\\\n\s*").unwrap();
    let inside = literal.get(1..literal.len() - 1).unwrap_or_default();
    let joined = joined.replace_all(inside, "");
    let named = Regex::new(r"\{\}|\{\d*:?[^}]*\}").unwrap();
    let joined = named.replace_all(&joined, |found: &regex::Captures<'_>| match &found[0] {
        "{}" | "{0}" => "{…}".to_owned(),
        other => other.to_owned(),
    });
    joined
        .replace("\\\"", "\"")
        .replace("\\n", " ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}
