//! The pages of the reference that the code can write: `make generate` writes them.

use std::fs;

use super::page::root;
use super::{commands, errors, facts};

/// Set by `make generate`.
const WRITE: &str = "FNLOCAL_WRITE_GENERATED";

/// Compares a page with what it should hold, or writes the page.
fn check(file: &str, wanted: &str) {
    let path = root().join(file);
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{file} is stale: run `make generate`");
}

#[test]
fn the_command_reference_matches_the_argument_parser() {
    check("docs/reference/commands.md", &commands::write());
}

#[test]
fn the_header_reference_matches_the_code() {
    check("docs/reference/headers.md", &facts::headers());
}

#[test]
fn the_exit_code_reference_matches_the_code() {
    check("docs/reference/exit-codes.md", &facts::exit_codes());
}

#[test]
fn the_refusal_reference_matches_the_gateway() {
    check("docs/reference/refusals.md", &facts::refusals());
}

#[test]
fn the_error_reference_lists_every_error_and_hint() {
    check("docs/reference/errors.md", &errors::write());
}
