//! Writes the public facts of the API for the scripts and the style of the dashboard.

use std::path::PathBuf;
use std::{env, fs};

use fnlocal_api::{Cold, StartKind, headers};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("facts.js"), facts()).expect("the output folder can be written");
    fs::write(out.join("facts.css"), tones()).expect("the output folder can be written");
}

/// The colours of start kinds: `--warm`, and a class `warm` whose tone it is.
fn tones() -> String {
    let tone = |start: StartKind| {
        let (word, colour) = (start.word(), start.colour());
        format!(":root {{ --{word}: {colour}; }}\n.{word} {{ --tone: var(--{word}); }}\n")
    };
    let tones: String = StartKind::ALL.map(tone).concat();
    format!("/* Made from the crate fnlocal-api. */\n{tones}")
}

/// The words and headers of the API, as a module of JavaScript.
fn facts() -> String {
    let start = StartKind::ALL.map(StartKind::word);
    let cold = Cold::ALL.map(Cold::word);
    let headers = [
        ("REQUEST_ID", headers::REQUEST_ID),
        ("START", headers::START),
        ("COLD", headers::COLD),
        ("PAGE", headers::PAGE),
        ("TOKEN", headers::TOKEN),
        ("INVOKE", headers::INVOKE),
    ];
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, header)| format!("{name}: {header:?}"))
        .collect();
    format!(
        "// Made from the crate fnlocal-api.\nexport const START = {start:?};\nexport const COLD = {cold:?};\n\
         export const HEADERS = {{ {} }};\n",
        headers.join(", ")
    )
}
