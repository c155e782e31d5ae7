//! Where load goes, and whether it may.

use std::fmt::Write as _;
use std::path::Path;

use fnlocal_api::UserError;
#[cfg(feature = "aws")]
use fnlocal_loadtest::LoadTestError;
use fnlocal_loadtest::{LoadKind, LoadPlan, Target};
use fnlocal_project::Running;

use super::place;
use crate::error::CliError;
use crate::loadtest::LoadtestArgs;

/// The URL given, the environment's endpoint, or the fnlocal that runs on the folder.
pub async fn find(args: &LoadtestArgs) -> Result<Target, CliError> {
    if let Some(env) = &args.env {
        return environment(&args.folder, env).await;
    }
    let running = Running::find(&args.folder);
    if let Some(url) = &args.url {
        let mut target = Target::parse(url)?;
        // The same one, named by hand.
        if let Ok(running) = running
            && Target::parse(&running.url).is_ok_and(|known| {
                known.port == target.port && known.is_local() && target.is_local()
            })
        {
            target.token = Some(running.token);
            target.runtime = Some(running.runtime);
        }
        return Ok(target);
    }
    let running = running.map_err(|error| {
        let hint = "start `fnlocal dev` there, or give --url";
        CliError::new(error.exit(), error, hint)
    })?;
    let mut target = Target::parse(&running.url)?;
    target.token = Some(running.token);
    target.runtime = Some(running.runtime);
    Ok(target)
}

/// The load balancer of an environment.
#[cfg(feature = "aws")]
async fn environment(folder: &Path, env: &str) -> Result<Target, CliError> {
    use crate::cloud::{CloudTarget, endpoint::base_url};
    // The environment in fnlocal.toml is irrelevant to AWS.
    CloudTarget::open(folder, Some(env))?;
    let url = base_url(folder, env).await;
    let url = url.map_err(|refused| LoadTestError::Env {
        env: env.to_owned(),
        why: refused.error.to_string(),
        hint: refused
            .hint
            .unwrap_or_else(|| "give its address with --url".to_owned()),
    })?;
    Ok(Target::parse(&url)?)
}
#[cfg(not(feature = "aws"))]
async fn environment(_: &Path, _: &str) -> Result<Target, CliError> {
    Err(crate::features::missing("--env", "aws"))
}

/// Load for others than this machine wants a word, after it was shown what it will be.
pub fn permitted(args: &LoadtestArgs, target: &Target, plan: &LoadPlan) -> Result<(), CliError> {
    // A dev may listen on an address of this machine that is no loopback; it was found here.
    let found_here = args.url.is_none() && args.env.is_none();
    if target.is_local() || found_here || args.yes {
        return Ok(());
    }
    let mut text = format!(
        "{} is not this machine, and this would send it\n",
        place(target)
    );
    let _infallible = writeln!(text, "  {}", amount(plan));
    let weights = plan.scenario.weights();
    for step in &plan.scenario.steps {
        let _infallible = writeln!(text, "  {} of {weights}: {}", step.weight, step.describe());
    }
    Err(CliError::usage(
        text.trim_end(),
        "if you may do that to it, say --yes",
    ))
}

fn amount(plan: &LoadPlan) -> String {
    let length = plan.length().unwrap_or_default().as_secs_f64();
    match &plan.load {
        LoadKind::Rate(segments) => {
            let requests: f64 = segments.iter().map(|segment| segment.arrivals()).sum();
            let most = segments.iter().map(|one| one.from.max(one.to));
            let most = most.fold(0.0, f64::max);
            format!("{requests:.0} requests in {length:.0} s, up to {most} a second")
        }
        LoadKind::Users(segments) => {
            let most = segments.iter().map(|one| one.from.max(one.to));
            let most = most.fold(0.0, f64::max);
            format!("requests of up to {most} users for {length:.0} s, as fast as it answers")
        }
        LoadKind::Cold(_) => "requests that each start an instance".to_owned(),
    }
}
