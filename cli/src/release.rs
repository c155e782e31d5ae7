//! `fnlocal release`: lists, shows and compares releases.

mod args;
#[cfg(feature = "aws")]
mod remote;
#[cfg(not(feature = "aws"))]
use crate::features::absent as remote;

pub use args::{EXAMPLES, ReleaseArgs, ReleaseCommand};

use std::path::Path;

use fnlocal_api::Exit;
use fnlocal_core::release::Release;
use fnlocal_image::release::{NamedRelease, ReleaseStoreError, Releases, prune};
use fnlocal_project::Project;

use crate::error::CommandResult;
use crate::lines::bytes;
use crate::terminal;

/// Prints what was asked for.
pub fn run(args: &ReleaseArgs) -> CommandResult {
    if let ReleaseCommand::List {
        env_name: Some(env),
    } = &args.command
    {
        return remote::run(args, env);
    }
    let project = Project::open(&args.folder, None)?;
    let releases = Releases::in_state(&project.state());
    if let ReleaseCommand::Prune { keep, dry_run } = args.command {
        return forget(args, &project.state(), keep, dry_run);
    }
    let text = print(args, &releases)?;
    if args.json || matches!(args.command, ReleaseCommand::Show { .. }) {
        terminal::print_json(&text.trim_end());
    } else {
        terminal::print!("{text}");
    }
    Ok(Exit::Ok)
}

fn forget(args: &ReleaseArgs, state: &Path, keep: usize, dry_run: bool) -> CommandResult {
    let pruned = prune(state, keep, dry_run)?;
    if args.json {
        let releases: Vec<String> = pruned
            .releases
            .iter()
            .map(|kept| kept.digest.to_string())
            .collect();
        terminal::print_json(&serde_json::json!({
            "dry_run": dry_run,
            "releases": releases,
            "images": pruned.images,
            "bytes": pruned.collected.bytes,
        }));
        return Ok(Exit::Ok);
    }
    let verb = if dry_run {
        "would be forgotten"
    } else {
        "forgotten"
    };
    terminal::print!("{}", list(&pruned.releases));
    terminal::println!(
        "{} releases and {} images {verb}, {} freed",
        pruned.releases.len(),
        pruned.images.len(),
        bytes(pruned.collected.bytes)
    );
    Ok(Exit::Ok)
}

fn print(args: &ReleaseArgs, releases: &Releases) -> Result<String, ReleaseStoreError> {
    Ok(match &args.command {
        // Not a matter of printing: `forget`.
        ReleaseCommand::Prune { .. } => String::new(),
        ReleaseCommand::List { .. } => {
            let all = releases.list()?;
            if args.json {
                line(&all.iter().map(named).collect::<Vec<_>>())
            } else {
                list(&all)
            }
        }
        ReleaseCommand::Show { release } => {
            let kept = releases.find(release)?;
            if args.json {
                line(&named(&kept))
            } else {
                let text = serde_json::to_string_pretty(&kept.release);
                format!("{}\n", text.unwrap_or_default())
            }
        }
        ReleaseCommand::Diff { old, new } => {
            let (old, new) = (releases.find(old)?, releases.find(new)?);
            let differences = old.release.diff(&new.release);
            if args.json {
                line(&differences)
            } else if differences.is_empty() {
                "nothing differs for callers\n".to_owned()
            } else {
                let lines = differences.iter();
                lines
                    .map(|one| format!("{}  {}\n", one.name, one.change))
                    .collect()
            }
        }
    })
}

fn line(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value);
    format!("{}\n", text.unwrap_or_default())
}

fn named(kept: &NamedRelease) -> serde_json::Value {
    serde_json::json!({"digest": kept.digest.to_string(), "release": kept.release})
}

fn list(all: &[NamedRelease]) -> String {
    let lines = all.iter();
    lines
        .map(|kept| format!("{}  {}", kept.short(), described(&kept.release)))
        .collect()
}

/// When a release was made, from what, and its functions, with the line feed.
fn described(release: &Release) -> String {
    let commit = release.commit.as_ref().map_or_else(String::new, |commit| {
        let dirty = if commit.dirty { "+" } else { "" };
        format!("{}{dirty}", commit.id.get(..8).unwrap_or(&commit.id))
    });
    let names: Vec<&str> = release.functions().into_keys().collect();
    format!("{}  {commit:9}  {}\n", release.created, names.join(", "))
}
