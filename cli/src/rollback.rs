//! `fnlocal rollback`: back to a release that is kept.

use std::time::Instant;

use fnlocal_cloud::promote::plan_rollback;
use serde_json::json;

use crate::args::Rollback;
use crate::cloud::progress::Progress;
use crate::cloud::{self, Checkpoint, Place, Refusal, ask};
use crate::exit::Exit;
use crate::lines::millis;
use crate::terminal;

/// Goes back.
pub fn run(args: &Rollback) -> Exit {
    cloud::run(async |journey| roll_back(args, journey).await)
}

async fn roll_back(args: &Rollback, journey: &Checkpoint) -> Result<Exit, Refusal> {
    let place = Place::open(&args.folder, args.env.as_deref())?;
    let aws = place.connect().await?;
    let (inventory, plan) = plan_rollback(&aws, args.to).await?;
    if !args.json {
        terminal::print!("{plan}");
    }
    if !plan.is_empty() && !args.yes {
        ask::permitted(&place, "rollback", "\nGo back to it?").await?;
    }
    let began = Instant::now();
    let progress = Progress::new(journey, place.command("rollback"));
    let watcher = |news| progress.tell(&news);
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
