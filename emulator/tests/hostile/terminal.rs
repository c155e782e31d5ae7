//! Text of functions, clients and repositories never reaches a terminal as a command to it.
//!
//! Every command of clap's own list runs with hostile text, into a pipe and on a terminal. A new
//! command fails the first test until it is walked, too.

mod commands;
mod output;

use std::process::Command;

use crate::support::{Folder, fnlocal};

use commands::{Scene, WALKED};
use output::{HOSTILE, assert_clean, assert_json, in_pipe, in_pipes, on_terminal};

/// Commands that move the cursor on a terminal: bars, lines that move, a full screen.
const MOVING: [&str; 5] = ["build", "loadtest", "promote", "top", "up"];
/// Commands whose stdout is what a function answered, byte by byte, unless it is a terminal.
const EXACT: [&str; 2] = ["invoke", "emit"];

#[test]
fn every_command_is_tested_with_hostile_text() {
    let pages = tempfile::tempdir().unwrap();
    let (code, _, err) = fnlocal(&["man", pages.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let pages = std::fs::read_dir(pages.path()).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|page| {
        let name = page.strip_suffix(".1")?.strip_prefix("fnlocal-")?;
        (!name.split('-').any(|word| word == "help")).then(|| name.replace('-', " "))
    });
    let walked: Vec<&str> = WALKED.iter().map(|&(name, _)| name).collect();
    let missed: Vec<String> = names
        .filter(|name| !walked.contains(&name.as_str()))
        // A command that only has others below it.
        .filter(|name| {
            !walked
                .iter()
                .any(|one| one.starts_with(&format!("{name} ")))
        })
        .collect();
    assert!(
        missed.is_empty(),
        "not walked with hostile text: {missed:?}"
    );
}

#[test]
fn no_command_prints_terminal_control_sequences() {
    let scene = Scene::start();
    for (name, cases) in WALKED {
        for args in cases(&scene) {
            let what = format!("{name} {args:?}");
            let words = || {
                name.split(' ')
                    .map(str::to_owned)
                    .chain(args.iter().cloned())
            };
            let json = args.iter().any(|word| word == "--json");
            let [stdout, stderr] = in_pipes(words());
            assert_clean(&what, &stderr, false);
            if json || !EXACT.contains(name) {
                assert_clean(&what, &stdout, false);
            }
            let shown = on_terminal(words());
            assert_clean(&what, &shown, MOVING.contains(name));
            if json {
                assert_json(&what, &stdout);
            }
        }
    }
}

#[test]
fn control_sequences_printed_by_a_function_are_shown_as_escapes() {
    let scene = Scene::start();
    let folder = scene.path();
    let logs = in_pipe(["logs", "--folder", folder].map(str::to_owned));
    let text = String::from_utf8(logs).unwrap();
    assert!(text.contains(r"noise-line \x1b]0;pwned\x07"), "{text}");
    assert!(
        text.contains(r"\u{202e}") && text.contains(r"\u{9b}"),
        "{text}"
    );
    let errors = in_pipe(["errors", "--folder", folder].map(str::to_owned));
    let text = String::from_utf8(errors).unwrap();
    assert!(text.contains(r"\x1b]0;pwned\x07"), "{text}");
}

#[test]
fn colours_of_a_function_are_kept_on_a_terminal_and_reset_after_each_line() {
    let scene = Scene::start();
    let folder = scene.path();
    let words = || ["logs", "coloured", "--folder", folder].map(str::to_owned);
    let shown = String::from_utf8(on_terminal(words())).unwrap();
    assert!(shown.contains("\x1b[35mviolet\x1b[0m\r\n"), "{shown:?}");
    let piped = String::from_utf8(in_pipe(words())).unwrap();
    assert!(piped.contains(" violet\n"), "{piped:?}");
}

#[test]
fn a_response_body_is_exact_in_a_pipe_and_escaped_on_a_terminal() {
    let scene = Scene::start();
    let words = || ["invoke", "bytes", "--folder", scene.path()].map(str::to_owned);
    let output = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(words())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"\x1b]0;pwned\x07\xff\x9b2J\r\n\x00end");
    let shown = String::from_utf8(on_terminal(words())).unwrap();
    assert!(
        shown.contains("\\x1b]0;pwned\\x07\\xff\\x9b2J\r\n\\x00end\r\n"),
        "{shown:?}"
    );
}

#[test]
fn dev_escapes_control_sequences_in_its_output() {
    let folder = Folder::new(&[("index.js", &commands::functions())]);
    for terminal in [false, true] {
        let shown = commands::dev_while_called(&folder, terminal);
        let text = String::from_utf8_lossy(&shown);
        assert!(text.contains(r"noise-line \x1b]0;pwned\x07"), "{text}");
        assert_clean("dev", &shown, false);
    }
    assert!(HOSTILE.contains('\x1b'));
}
