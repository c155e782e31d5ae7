//! `fnlocal status`: how an environment is.

mod args;

pub use args::{EXAMPLES, StatusArgs};

use std::fmt::Write as _;

use fnlocal_api::Exit;
use fnlocal_cloud::cost::Estimate;
use fnlocal_cloud::status::{EnvironmentStatus, MachineStatus, status};
use serde_json::json;

use crate::cloud::{self, CloudTarget};
use crate::error::CommandResult;
use crate::terminal;

/// Digits of a digest that people are shown.
const SHOWN_DIGEST_DIGITS: usize = 12;

/// Prints how it is.
pub fn run(args: &StatusArgs) -> CommandResult {
    cloud::run(async |_| show(args).await)
}

async fn show(args: &StatusArgs) -> CommandResult {
    let place = CloudTarget::open(&args.folder, args.env.as_deref())?;
    let aws = place.connect().await?;
    let status = status(&aws).await?;
    let estimate = Estimate::from_environment(&place.env, &status.place.region);
    let (nodes, door) = status.hours(jiff::Timestamp::now().as_second());
    let spent = estimate.so_far(nodes, door);
    if args.json {
        let line = json!({
            "project": place.project.name,
            "env": place.env.name,
            "region": status.place.region,
            "account": status.place.account,
            "release": status.release,
            "created": status.created,
            "functions": status.functions,
            "releases": status.releases,
            "nodes": status.nodes.iter().map(node).collect::<Vec<_>>(),
            "serving": status.serving(),
            "bounds": status.bounds,
            "refresh": status.refresh,
            "url": status.door.as_ref().map(|door| door.url(&place.env)),
            "cost": {"least": estimate.least, "most": estimate.most, "so_far": spent},
        });
        terminal::print_json(&line);
    } else {
        terminal::print!("{}", text(&place, &status, &estimate, spent));
    }
    Ok(Exit::Ok)
}

fn node(machine: &MachineStatus) -> serde_json::Value {
    json!({
        "id": machine.node.id,
        "zone": machine.node.zone,
        "state": machine.node.state,
        "healthy": machine.node.healthy,
        "target": machine.target,
        "address": machine.address,
        "since": machine.since,
        "current": machine.current,
    })
}

fn text(
    place: &CloudTarget,
    status: &EnvironmentStatus,
    estimate: &Estimate,
    spent: Option<f64>,
) -> String {
    let bold = anstyle::Style::new().bold();
    let (project, env) = (&place.project.name, &place.env.name);
    let (region, account) = (&status.place.region, &status.place.account);
    let mut text = format!("{bold}{project} → {env}{bold:#} ({region}, account {account})\n\n");
    let Some(release) = &status.release else {
        let promote = place.command("promote");
        let _infallible = writeln!(text, "nothing is promoted; `{promote}` does it");
        return text;
    };
    let (tag, digest) = release.split_once('@').unwrap_or((release, ""));
    let digest = digest.trim_start_matches("sha256:");
    let digest = digest.get(..SHOWN_DIGEST_DIGITS).unwrap_or(digest);
    let created = status.created.as_deref().unwrap_or("an unknown time");
    let mut line = |what: &str, value: &str| {
        let _infallible = writeln!(text, "{what:<10} {value}");
    };
    line("release", &format!("{tag} ({digest}), made {created}"));
    line("functions", &status.functions.join(", "));
    if let Some(door) = &status.door {
        line("url", &door.url(&place.env));
    }
    let (min, max) = status.bounds.unwrap_or_default();
    let all = status.nodes.len();
    let serving = status.serving();
    line(
        "nodes",
        &format!("{serving} of {all} take requests; {min} to {max} are wanted"),
    );
    if let Some(refresh) = &status.refresh {
        line(
            "",
            &format!("they are being replaced: {} %", refresh.percent),
        );
    }
    for machine in &status.nodes {
        line("", &describe(machine));
    }
    let others: Vec<&str> = status.releases.iter().map(String::as_str).collect();
    line("releases", &others.join(", "));
    let so_far = spent.map_or_else(
        || "unknown so far".to_owned(),
        |spent| format!("about ${spent:.2} so far for what is there now"),
    );
    let (least, most) = (estimate.least, estimate.most);
    line(
        "cost",
        &format!("about ${least:.0} to ${most:.0} a month; {so_far}"),
    );
    text
}

fn describe(machine: &MachineStatus) -> String {
    let node = &machine.node;
    let target = machine.target.as_deref().unwrap_or("not at the balancer");
    let address = machine.address.as_deref().unwrap_or("-");
    let old = if machine.current {
        ""
    } else {
        ", of an older template"
    };
    let ill = if node.healthy { "" } else { ", unhealthy" };
    format!(
        "  {}  {address:<15} {}  {}{ill}, {target}{old}",
        node.id, node.zone, node.state
    )
}
