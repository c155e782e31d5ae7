//! `fnlocal clean`: removes what fnlocal keeps for a project, and says what.

mod args;

pub use args::{CleanArgs, EXAMPLES};

use fnlocal_api::{Exit, UserError};
use fnlocal_emulator::clean::{self, CleanOptions, Cleaned, CleanedItem};

use crate::error::CommandResult;
use crate::lines::bytes;
use crate::run::warn;
use crate::terminal;
use crate::wait;

/// Removes, or lists.
pub fn run(args: &CleanArgs) -> CommandResult {
    let options = CleanOptions {
        path: args.folder.clone(),
        shared: args.shared,
        dry_run: args.dry_run,
    };
    let cleaned = wait::until_done(clean::run(&options))??;
    Ok(report(args, &cleaned))
}

fn report(args: &CleanArgs, cleaned: &Cleaned) -> Exit {
    if let Some(error) = &cleaned.no_engine {
        let text = format!("{error}: its containers and images are left as they are");
        warn(&text, error.hint().as_deref());
    }
    for (item, why) in &cleaned.kept {
        warn(&format!("{} {} stays: {why}", item.kind, item.name), None);
    }
    if args.json {
        let items: Vec<_> = cleaned.removed.iter().map(value).collect();
        let line = serde_json::json!({"dry_run": args.dry_run, "removed": items});
        terminal::print_json(&line);
    } else {
        terminal::print!("{}", table(args.dry_run, &cleaned.removed));
    }
    if cleaned.kept.is_empty() {
        Exit::Ok
    } else {
        Exit::Failed
    }
}

fn value(item: &CleanedItem) -> serde_json::Value {
    serde_json::json!({
        "kind": item.kind.to_string(),
        "id": item.id,
        "name": item.name,
        "bytes": item.bytes,
    })
}

fn table(dry_run: bool, items: &[CleanedItem]) -> String {
    let mut text = String::new();
    for item in items {
        let size = if item.bytes > 0 {
            bytes(item.bytes)
        } else {
            String::new()
        };
        let name = if item.name.is_empty() {
            &item.id
        } else {
            &item.name
        };
        text.push_str(&format!(
            "{:<9}  {size:>9}  {name}\n",
            item.kind.to_string()
        ));
    }
    let verb = if dry_run {
        "would be removed"
    } else {
        "removed"
    };
    let total = items.iter().map(|item| item.bytes).sum();
    text.push_str(&format!(
        "{} things {verb}, {}\n",
        items.len(),
        bytes(total)
    ));
    text
}
