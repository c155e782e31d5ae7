//! `fnlocal init --from`: another platform's project as one of fnlocal.

use std::fs;
use std::path::Path;

use fnlocal_api::Exit;

use super::{InitError, put};
use crate::error::CommandResult;
use crate::run::warn;
use crate::terminal;

/// Writes what a platform's file says, and lists what could not be taken over.
pub fn run(file: &Path) -> CommandResult {
    let project = fnlocal_import::read(file)?;
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let files = fnlocal_import::files(&project);
    let is_there = |path: &str| fs::symlink_metadata(folder.join(path)).is_ok();
    let taken = files
        .iter()
        .filter(|one| !one.optional && is_there(&one.path));
    let taken: Vec<String> = taken.map(|one| one.path.clone()).collect();
    if !taken.is_empty() {
        return Err(InitError::Taken {
            folder: folder.to_owned(),
            files: taken,
        }
        .into());
    }
    for one in &files {
        if is_there(&one.path) {
            let text = format!("{} is there already and stays as it is", one.path);
            warn(&text, Some("add the variables that the project names"));
            continue;
        }
        put(folder, &one.path, &one.text)?;
        terminal::eprintln!("wrote {}", one.path);
    }
    for what in &project.left {
        warn(&format!("not taken over: {what}"), None);
    }
    let (functions, routes) = (project.functions.len(), project.routes.len());
    terminal::eprintln!("functions: {functions}, routes: {routes}; next: fnlocal dev");
    Ok(Exit::Ok)
}
