//! `fnlocal rollback`: back to a release that is kept.

mod args;

pub use args::{EXAMPLES, RollbackArgs};

use std::time::Instant;

use fnlocal_api::Exit;
use fnlocal_cloud::promote::plan_rollback;
use serde_json::json;

use crate::cloud::progress::CloudProgress;
use crate::cloud::{self, Checkpoint, CloudTarget, ask};
use crate::error::CommandResult;
use crate::lines::millis;
use crate::terminal;

/// Goes back.
pub fn run(args: &RollbackArgs) -> CommandResult {
    cloud::run(async |journey| roll_back(args, journey).await)
}

async fn roll_back(args: &RollbackArgs, journey: &Checkpoint) -> CommandResult {
    let place = CloudTarget::open(&args.folder, args.env.as_deref())?;
    let aws = place.connect().await?;
    let (inventory, plan) = plan_rollback(&aws, args.to).await?;
    if !args.json {
        terminal::print!("{plan}");
    }
    if !plan.is_empty() && !args.yes {
        ask::permitted(&place, "rollback", "\nGo back to it?").await?;
    }
    let began = Instant::now();
    let progress = CloudProgress::new(journey, place.command("rollback"));
    let watcher = |news| progress.report(&news);
    fnlocal_cloud::apply::apply(&aws, &plan, &inventory, None, &watcher).await?;
    drop(progress);
    let took = began.elapsed();
    if args.json {
        let line = json!({
            "changes": plan.steps.len(),
            "plan": plan,
            "took_ms": took.as_secs_f64() * 1000.0,
        });
        terminal::print_json(&line);
    } else if plan.is_empty() {
        terminal::println!("the nodes follow this release already");
    } else {
        terminal::println!("\nthe nodes switch now, told in {}", millis(took));
        terminal::println!("the next promote of what is in the folder makes a new release");
    }
    Ok(Exit::Ok)
}
