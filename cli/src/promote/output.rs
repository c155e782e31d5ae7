//! The summary at the end of a promote.

use std::time::Duration;

use fnlocal_api::Exit;
use fnlocal_cloud::Plan;
use fnlocal_cloud::aws::Aws;
use fnlocal_cloud::copy::Sent;
use fnlocal_cloud::plan::Action;
use fnlocal_cloud::resource::{Resource, ResourceKind};
use serde_json::json;

use super::Drawn;
use crate::cloud::CloudTarget;
use crate::error::CommandResult;
use crate::lines::{bytes, millis};
use crate::promote::PromoteArgs;
use crate::terminal;

/// Says what was done, where it answers, and what to do next.
pub async fn done(
    args: &PromoteArgs,
    place: &CloudTarget,
    aws: &Aws,
    drawn: &Drawn,
    sent: Sent,
    took: Duration,
) -> CommandResult {
    // A listener that was not changed is as it was found.
    let door = match &drawn.inventory.door {
        Some(door) if drawn.plan.is_empty() => door.clone(),
        _ => aws.door().await?,
    };
    let url = door.url(&place.env);
    let plan = &drawn.plan;
    let release = release(drawn);
    if args.json {
        let line = json!({
            "changes": plan.steps.len(),
            "plan": plan,
            "sent": {"blobs": sent.blobs, "bytes": sent.bytes},
            "took_ms": took.as_secs_f64() * 1000.0,
            "release": release,
            "url": url,
        });
        terminal::print_json(&line);
        return Ok(Exit::Ok);
    }
    let number = release.split('@').next().unwrap_or_default();
    if plan.is_empty() {
        terminal::println!("{number} is at {url}");
        return Ok(Exit::Ok);
    }
    let what = match sent.blobs {
        0 => "no layer sent".to_owned(),
        blobs => format!("{blobs} blobs sent, {}", bytes(sent.bytes)),
    };
    let bold = anstyle::Style::new().bold();
    terminal::println!("\npromoted {number} in {}, {what}", millis(took));
    let function = plan
        .delivery
        .iter()
        .find_map(|delivery| delivery.release.functions().into_keys().next());
    let function = function.unwrap_or_default();
    terminal::println!("\n  {bold}{url}/{function}{bold:#}\n");
    if is_first(plan) {
        terminal::println!("the nodes boot now, and answer when they have loaded the release");
    }
    if let Some(domain) = place.env.domain.as_deref().filter(|_| is_first(plan)) {
        terminal::println!("point {domain} at {} (CNAME, or an alias)", door.address);
    }
    terminal::println!("  {:<34} nodes, health, cost", place.command("status"));
    if let Some(before) = before(drawn) {
        let back = format!("{} --to {before}", place.command("rollback"));
        terminal::println!("  {back:<34} back to what ran before");
    }
    Ok(Exit::Ok)
}

/// The release that runs now, as `TAG@DIGEST`.
fn release(drawn: &Drawn) -> String {
    let mut steps = drawn.plan.steps.iter();
    let moved = steps.find_map(|step| match &step.resource {
        Resource::CurrentRelease(pointer) => Some(pointer.release.clone()),
        _ => None,
    });
    let before = drawn.inventory.pointer().map(str::to_owned);
    moved.or(before).unwrap_or_default()
}

/// The number of the release that ran before, if this is another.
fn before(drawn: &Drawn) -> Option<u32> {
    let (tag, _) = drawn.inventory.current()?;
    let is_other = !release(drawn).starts_with(tag);
    is_other.then(|| fnlocal_cloud::ResourceNames::release_number(tag))?
}

/// Returns whether all nodes are new.
fn is_first(plan: &Plan) -> bool {
    let makes_group = |step: &fnlocal_cloud::plan::PlanStep| {
        step.action == Action::Create && step.resource.key().kind == ResourceKind::Group
    };
    plan.steps.iter().any(makes_group)
}
