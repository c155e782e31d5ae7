//! Releases that are stored on AWS.

use fnlocal_api::Exit;
use fnlocal_cloud::{Inventory, ResourceNames};
use serde_json::json;

use super::{described, line};
use crate::cloud::{self, CloudTarget};
use crate::error::CommandResult;
use crate::release::ReleaseArgs;
use crate::terminal;

/// Prints them, the newest first.
pub fn run(args: &ReleaseArgs, env: &str) -> CommandResult {
    cloud::run(async |_| list(args, env).await)
}

async fn list(args: &ReleaseArgs, env: &str) -> CommandResult {
    let place = CloudTarget::open(&args.folder, Some(env))?;
    let found = place.connect().await?.everything().await?;
    if args.json {
        terminal::print_json(&json_of(&found).trim_end());
    } else {
        terminal::print!("{}", text_of(&found));
    }
    Ok(Exit::Ok)
}

/// Tags of all releases, the newest first, and whether it is the one that runs.
fn tags(found: &Inventory) -> impl Iterator<Item = (String, bool)> {
    let pointer = found.pointer().and_then(|pointer| pointer.split_once('@'));
    let current = pointer.map(|(tag, _)| tag.to_owned());
    let numbers = found.release_numbers().into_iter().rev();
    numbers.map(move |number| {
        let tag = ResourceNames::release_tag(number);
        let runs = current.as_deref() == Some(tag.as_str());
        (tag, runs)
    })
}

fn json_of(found: &Inventory) -> String {
    let all = tags(found).map(|(tag, runs)| {
        let delivery = found.deliveries.get(&tag);
        json!({"tag": tag, "runs": runs, "release": delivery.map(|it| &it.release)})
    });
    line(&all.collect::<Vec<_>>())
}

fn text_of(found: &Inventory) -> String {
    let all = tags(found).map(|(tag, runs)| {
        let mark = if runs { "*" } else { " " };
        // Another version of fnlocal may have stored one that this cannot read.
        let delivery = found.deliveries.get(&tag);
        let said = delivery.map_or_else(|| "?\n".to_owned(), |it| described(&it.release));
        format!("{mark} {tag}  {said}")
    });
    all.collect()
}
