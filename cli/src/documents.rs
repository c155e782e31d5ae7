//! Tests of README.md and docs/: commands and configurations in them are understood, links lead
//! somewhere, and the pages of the reference that the code can write are up to date.

mod commands;
mod errors;
mod facts;
mod page;
mod reference;

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;
use fnlocal_project::ConfigFile;
use page::{Page, pages};

use crate::args::Args;

#[test]
fn every_command_in_the_documents_parses() {
    let mut number = 0;
    for page in pages() {
        for words in page.commands("fnlocal") {
            number += 1;
            let Err(error) = Args::try_parse_from(&words) else {
                continue;
            };
            let shown = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
            assert!(
                shown.contains(&error.kind()),
                "{}: {words:?}: {error}",
                page.name
            );
        }
    }
    assert!(number > 50, "only {number} commands were found");
}

#[test]
fn every_configuration_in_the_documents_parses() {
    let mut number = 0;
    for page in pages() {
        for block in page.blocks("toml") {
            number += 1;
            let parsed = ConfigFile::parse(Path::new(&page.name), &block);
            assert!(parsed.is_ok(), "{block}\n{:?}", parsed.unwrap_err());
        }
    }
    assert!(number > 15, "only {number} configurations were found");
}

#[test]
fn every_json_block_in_the_documents_parses() {
    for page in pages() {
        for block in page.blocks("json") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block);
            assert!(parsed.is_ok(), "{}: {block}", page.name);
        }
    }
}

#[test]
fn every_make_target_in_the_documents_exists() {
    let makefile = page::read("Makefile");
    for page in pages() {
        for words in page.commands("make") {
            for target in words.iter().skip(1).filter(|word| !word.contains('=')) {
                let rule = format!("\n{target}:");
                assert!(makefile.contains(&rule), "{}: make {target}", page.name);
            }
        }
    }
}

#[test]
fn every_link_in_the_documents_resolves_to_a_page_and_heading() {
    let mut number = 0;
    for page in pages() {
        for link in page.links() {
            number += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = page.beside(path);
            assert!(target.exists(), "{}: {link}", page.name);
            if !anchor.is_empty() {
                let anchors = Page::open(&target).anchors();
                assert!(anchors.contains(anchor), "{}: {link}", page.name);
            }
        }
    }
    assert!(number > 100, "only {number} links were found");
}

#[test]
fn every_page_of_docs_is_listed_in_the_summary() {
    let summary = Page::open(&page::root().join("docs/SUMMARY.md"));
    let listed: BTreeSet<_> = summary.links().map(|link| summary.beside(&link)).collect();
    for page in pages().iter().filter(|page| page.is_in_book()) {
        let shown = listed.contains(&page.path) || page.path == summary.path;
        assert!(shown, "{} is not in docs/SUMMARY.md", page.name);
    }
}

#[test]
fn links_in_docs_stay_within_the_book() {
    let docs = page::root().join("docs");
    for page in pages().iter().filter(|page| page.is_in_book()) {
        for link in page.links() {
            let inside = page.beside(&link).starts_with(&docs);
            assert!(inside, "{}: {link} is not there in the book", page.name);
        }
    }
}
