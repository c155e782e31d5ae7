//! `fnlocal destroy`: deletes all of an environment, and looks whether anything is left.

mod args;

pub use args::{DestroyArgs, EXAMPLES};

use fnlocal_api::Exit;
use fnlocal_cloud::promote::{destroy, plan_destroy};
use serde_json::json;

use crate::cloud::progress::CloudProgress;
use crate::cloud::{self, Checkpoint, CloudTarget, ask};
use crate::error::{CliError, CommandResult};
use crate::terminal;

pub fn run(args: &DestroyArgs) -> CommandResult {
    cloud::run(async |journey| delete(args, journey).await)
}

async fn delete(args: &DestroyArgs, journey: &Checkpoint) -> CommandResult {
    let place = CloudTarget::open(&args.folder, Some(&args.env))?;
    let aws = place.connect().await?;
    let (inventory, plan) = plan_destroy(&aws).await?;
    if args.plan {
        if args.json {
            terminal::print_json(&cloud::json(&plan)?);
        } else {
            terminal::print!("{plan}");
        }
        return Ok(if plan.is_empty() {
            Exit::Ok
        } else {
            Exit::Changes
        });
    }
    if !args.json {
        terminal::print!("{plan}");
    }
    if !plan.is_empty() && !args.yes {
        confirmed(&place).await?;
    }
    let progress = CloudProgress::new(journey, place.command("destroy"));
    let watcher = |news| progress.report(&news);
    destroy(&aws, &plan, &inventory, &watcher).await?;
    drop(progress);
    if args.json {
        let line = json!({"deleted": plan.steps.len(), "plan": plan, "left": []});
        terminal::print_json(&line);
    } else if plan.is_empty() {
        terminal::println!("nothing of `{}` is there", args.env);
    } else {
        terminal::println!("\ndeleted; nothing that bears its tags is left");
        terminal::println!("SSM parameters with the variables' values were made by you, and stay");
    }
    Ok(Exit::Ok)
}

/// Asks the person to confirm by typing the project's name.
async fn confirmed(place: &CloudTarget) -> Result<(), CliError> {
    if !ask::can() {
        return Err(ask::nobody(place, "destroy"));
    }
    let name = &place.project.name;
    let question =
        format!("\nThis cannot be undone. Write the project's name, {name}, to delete it: ");
    if ask::line(&question).await? == *name {
        return Ok(());
    }
    Err(ask::unchanged())
}
