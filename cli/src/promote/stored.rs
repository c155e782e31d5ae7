//! Plans in files: written by one run, carried out exactly by another.

use std::path::Path;

use fnlocal_api::Exit;
use fnlocal_cloud::Plan;
use fnlocal_cloud::aws::Aws;
use fnlocal_cloud::source::{self, ImageSource};
use fnlocal_image::build;

use super::Drawn;
use crate::cloud::CloudTarget;
use crate::error::CliError;
use crate::promote::PromoteArgs;

/// The plan that is to be carried out, if that is asked for.
pub fn wanted(args: &PromoteArgs) -> Result<Option<Plan>, CliError> {
    let Some(path) = args.plan_file.as_deref().filter(|_| !args.plan) else {
        return Ok(None);
    };
    let others = [
        ("--release", args.release.is_some()),
        ("--renew", args.renew),
    ];
    if let Some((other, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(CliError::usage(
            format!("{other} changes the plan, and --plan-file names one that is made"),
            "give it when you make the plan, with --plan",
        ));
    }
    let text = std::fs::read(path).map_err(|source| CliError::file("read", path, source))?;
    let plan = serde_json::from_slice(&text).map_err(|error| {
        CliError::new(
            Exit::Failed,
            format!("{} is not a plan: {error}", path.display()),
            "make one with --plan --plan-file FILE, with this version of fnlocal",
        )
    })?;
    Ok(Some(plan))
}

/// Checks that nothing has moved since the plan was made.
pub async fn check(plan: Plan, place: &CloudTarget, aws: &Aws) -> Result<Drawn, CliError> {
    let inventory = aws.inventory(&place.env).await?;
    plan.check(aws.names(), &inventory)?;
    let store = source::open(&place.project.state().join(build::REGISTRY))?;
    let source = ImageSource::from_plan(store, &plan)?;
    Ok(Drawn {
        plan,
        inventory,
        source,
    })
}

/// Writes a plan.
pub fn write(path: &Path, plan: &Plan) -> Result<(), CliError> {
    let text = crate::cloud::json(plan)?;
    std::fs::write(path, text + "\n").map_err(|source| CliError::file("write", path, source))
}
