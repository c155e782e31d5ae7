//! `fnlocal promote`: builds, plans, shows, asks, applies.

mod args;
mod made;
mod output;
mod stored;

pub use args::{EXAMPLES, PromoteArgs};

use std::time::Instant;

use fnlocal_api::Exit;
use fnlocal_cloud::aws::Aws;
use fnlocal_cloud::copy::Sent;
use fnlocal_cloud::promote::plan_on;
use fnlocal_cloud::source::ImageSource;
use fnlocal_cloud::{Inventory, Plan};

use crate::cloud::progress::CloudProgress;
use crate::cloud::{self, Checkpoint, CloudTarget, ask};
use crate::error::{CliError, CommandResult};
use crate::terminal;

/// Promotes, or shows what that would do.
pub fn run(args: &PromoteArgs) -> CommandResult {
    cloud::run(async |journey| promote(args, journey).await)
}

/// A plan, and what it was made from.
struct Drawn {
    plan: Plan,
    inventory: Inventory,
    source: ImageSource,
}

async fn promote(args: &PromoteArgs, journey: &Checkpoint) -> CommandResult {
    let place = CloudTarget::open(&args.folder, args.env.as_deref())?;
    let stored = stored::wanted(args)?;
    let aws = place.connect().await?;
    let drawn = match stored {
        Some(plan) => stored::check(plan, &place, &aws).await?,
        None => draw(args, &place, &aws).await?,
    };
    if args.plan {
        return planned(args, &drawn.plan);
    }
    if !args.json {
        terminal::print!("{}", drawn.plan);
    }
    if !drawn.plan.is_empty() && !args.yes {
        ask::permitted(&place, "promote", "\nDo this?").await?;
    }
    let began = Instant::now();
    let sent = apply(&place, &aws, &drawn, journey).await?;
    output::done(args, &place, &aws, &drawn, sent, began.elapsed()).await
}

/// Builds, looks at what is there, and plans.
async fn draw(args: &PromoteArgs, place: &CloudTarget, aws: &Aws) -> Result<Drawn, CliError> {
    // The build depends on the nodes' processor alone.
    let building = async {
        let around = aws.around(&place.env).await?;
        let made = made::make(args, place, &around).await?;
        Ok::<_, CliError>((around, made))
    };
    let looking = async { Ok(aws.everything().await?) };
    let ((around, made), found) = tokio::try_join!(building, looking)?;
    let inventory = Inventory {
        around: around.around,
        ..found
    };
    let plan = plan_on(aws, &made.wish, &inventory).await?;
    let source = ImageSource::from_plan(made.store, &plan)?;
    Ok(Drawn {
        plan,
        inventory,
        source,
    })
}

fn planned(args: &PromoteArgs, plan: &Plan) -> CommandResult {
    if let Some(path) = &args.plan_file {
        stored::write(path, plan)?;
    }
    if args.json {
        terminal::print_json(&cloud::json(plan)?);
    } else {
        terminal::print!("{plan}");
    }
    Ok(if plan.is_empty() {
        Exit::Ok
    } else {
        Exit::Changes
    })
}

async fn apply(
    place: &CloudTarget,
    aws: &Aws,
    drawn: &Drawn,
    journey: &Checkpoint,
) -> Result<Sent, CliError> {
    let progress = CloudProgress::new(journey, place.command("promote"));
    let Drawn {
        plan,
        inventory,
        source,
    } = drawn;
    let watcher = |news| progress.report(&news);
    Ok(fnlocal_cloud::apply::apply(aws, plan, inventory, Some(source), &watcher).await?)
}
