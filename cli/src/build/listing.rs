//! `fnlocal build --list`: the files that would be packed.

use std::fmt::Write as _;

use fnlocal_api::Exit;
use fnlocal_image::build::{self, ListedPackage};
use serde_json::{Value, json};

use super::BuildArgs;
use crate::error::CommandResult;
use crate::lines::bytes;
use crate::run::warn;
use crate::terminal;

/// Prints each package's files with their sizes.
pub fn run(args: &BuildArgs) -> CommandResult {
    let packages = build::list(&args.folder)?;
    for warning in packages.iter().flat_map(|package| &package.warnings) {
        warn(&warning.text, warning.hint.as_deref());
    }
    if args.json {
        let packages: Vec<Value> = packages.iter().map(json).collect();
        terminal::print_json(&json!({ "packages": packages }));
    } else {
        terminal::print!("{}", text(&packages));
    }
    Ok(Exit::Ok)
}

fn text(packages: &[ListedPackage]) -> String {
    let bold = anstyle::Style::new().bold();
    let mut text = String::new();
    for package in packages {
        let total = bytes(package.files.iter().map(|(_, size)| size).sum());
        let count = package.files.len();
        let files = if count == 1 { "file" } else { "files" };
        let name = &package.package;
        let folder = package.folder.display();
        let _infallible = writeln!(
            text,
            "{bold}{name}{bold:#}  {count} {files}, {total}, from {folder}"
        );
        for (path, size) in &package.files {
            let _infallible = writeln!(text, "  {:>9}  {path}", bytes(*size));
        }
        if package.dependencies {
            let _infallible = writeln!(text, "  and its installed dependencies");
        }
    }
    text
}

fn json(package: &ListedPackage) -> Value {
    let files = package.files.iter();
    let files: Vec<Value> = files
        .map(|(path, size)| json!({"path": path, "bytes": size}))
        .collect();
    json!({
        "package": package.package,
        "folder": package.folder,
        "files": files,
        "dependencies": package.dependencies,
    })
}
