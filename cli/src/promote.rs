//! `fnlocal promote`: builds, plans, shows, asks, applies.

mod made;
mod output;
mod stored;

use std::time::Instant;

use fnlocal_cloud::aws::Aws;
use fnlocal_cloud::copy::Sent;
use fnlocal_cloud::promote::plan_on;
use fnlocal_cloud::source::Source;
use fnlocal_cloud::{Inventory, Plan};

use crate::args::Promote;
use crate::cloud::progress::Progress;
use crate::cloud::{self, Checkpoint, Place, Refusal, ask};
use crate::exit::Exit;
use crate::terminal;

/// Promotes, or shows what that would do.
pub fn run(args: &Promote) -> Exit {
    cloud::run(async |journey| promote(args, journey).await)
}

/// A plan, and what it was made from.
struct Drawn {
    plan: Plan,
    inventory: Inventory,
    source: Source,
}

async fn promote(args: &Promote, journey: &Checkpoint) -> Result<Exit, Refusal> {
    let place = Place::open(&args.folder, args.env.as_deref())?;
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
async fn draw(args: &Promote, place: &Place, aws: &Aws) -> Result<Drawn, Refusal> {
    // What is built depends on the nodes' processor alone.
    let building = async {
        let around = aws.around(&place.env).await?;
        let made = made::make(args, place, &around).await?;
        Ok::<_, Refusal>((around, made))
    };
    let looking = async { Ok(aws.everything().await?) };
    let ((around, made), found) = tokio::try_join!(building, looking)?;
    let inventory = Inventory {
        around: around.around,
        ..found
    };
    let plan = plan_on(aws, &made.wish, &inventory).await?;
    let source = Source::of(made.store, &plan)?;
    Ok(Drawn {
        plan,
        inventory,
        source,
    })
}

fn planned(args: &Promote, plan: &Plan) -> Result<Exit, Refusal> {
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
    place: &Place,
    aws: &Aws,
    drawn: &Drawn,
    journey: &Checkpoint,
) -> Result<Sent, Refusal> {
    let progress = Progress::new(journey, place.command("promote"));
    let Drawn {
        plan,
        inventory,
        source,
    } = drawn;
    let watcher = |news| progress.tell(&news);
    Ok(fnlocal_cloud::apply::apply(aws, plan, inventory, Some(source), &watcher).await?)
}
