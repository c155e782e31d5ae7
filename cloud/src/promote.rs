//! The commands: promote, rollback, destroy.

use crate::apply::{OnApplyProgress, apply};
use crate::aws::Aws;
use crate::copy::Sent;
use crate::desired::{PromoteRequest, desired};
use crate::endpoint;
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{Inventory, ResourceOwner};
use crate::names::ResourceNames;
use crate::plan::Plan;
use crate::source::ImageSource;

/// Returns the present state, and the plan that leads to the wanted one.
///
/// # Errors
/// AWS does not say what is there, or the wish cannot be.
pub async fn plan(aws: &Aws, wish: &PromoteRequest) -> Result<(Inventory, Plan), CloudError> {
    let inventory = aws.inventory(&wish.env).await?;
    let plan = plan_on(aws, wish, &inventory).await?;
    Ok((inventory, plan))
}

/// The plan to make what is there what is wished.
///
/// # Errors
/// The wish cannot be, or AWS does not say whether variables have values.
pub async fn plan_on(
    aws: &Aws,
    wish: &PromoteRequest,
    inventory: &Inventory,
) -> Result<Plan, CloudError> {
    let desired = desired(aws.names(), wish, inventory)?;
    aws.check_values(&wish.env, &desired.delivery.sources)
        .await?;
    Plan::promote(aws.names(), &wish.env, inventory, desired)
}

/// Carries out a stored plan, exactly, if nothing has moved since it was made.
///
/// # Errors
/// Something has moved, or a step fails.
pub async fn apply_stored(
    aws: &Aws,
    plan: &Plan,
    wish: &PromoteRequest,
    source: &ImageSource,
    watcher: OnApplyProgress<'_>,
) -> Result<Sent, CloudError> {
    let inventory = aws.inventory(&wish.env).await?;
    plan.check(aws.names(), &inventory)?;
    apply(aws, plan, &inventory, Some(source), watcher).await
}

/// The plan that moves the pointer to a stored release: the one of this number, or the one before
/// that which runs.
///
/// # Errors
/// There is no such release, or AWS does not say.
pub async fn plan_rollback(
    aws: &Aws,
    number: Option<u32>,
) -> Result<(Inventory, Plan), CloudError> {
    let inventory = aws.everything().await?;
    let number = match number {
        Some(number) => number,
        None => before(aws, &inventory)?,
    };
    let plan = Plan::rollback(aws.names(), &inventory, number)?;
    Ok((inventory, plan))
}

/// The newest release that is older than the one that runs.
fn before(aws: &Aws, inventory: &Inventory) -> Result<u32, CloudError> {
    let pointer = inventory.pointer().and_then(|it| it.split_once('@'));
    let Some(current) = pointer.and_then(|(tag, _)| ResourceNames::release_number(tag)) else {
        return Err(endpoint::none(aws.names()));
    };
    let numbers = inventory.release_numbers();
    let older = numbers.into_iter().rev().find(|number| *number < current);
    older.ok_or_else(|| {
        let current = ResourceNames::release_tag(current);
        CloudError::new(
            CloudErrorKind::Failed,
            format!("there is no release before {current}"),
        )
        .hint("`fnlocal status` lists those there are; --to names one")
    })
}

/// Moves the pointer to a stored release.
///
/// # Errors
/// There is no such release, or a step fails.
pub async fn rollback(
    aws: &Aws,
    number: u32,
    watcher: OnApplyProgress<'_>,
) -> Result<Plan, CloudError> {
    let (inventory, plan) = plan_rollback(aws, Some(number)).await?;
    apply(aws, &plan, &inventory, None, watcher).await?;
    Ok(plan)
}

/// Returns the plan that deletes everything of ours.
///
/// # Errors
/// AWS does not say what is there.
pub async fn plan_destroy(aws: &Aws) -> Result<(Inventory, Plan), CloudError> {
    let inventory = aws.everything().await?;
    let plan = Plan::destroy(aws.names(), &inventory);
    Ok((inventory, plan))
}

/// Deletes all that is ours, then looks again whether anything is left.
///
/// # Errors
/// A step fails, or something is left.
pub async fn destroy(
    aws: &Aws,
    plan: &Plan,
    inventory: &Inventory,
    watcher: OnApplyProgress<'_>,
) -> Result<(), CloudError> {
    apply(aws, plan, inventory, None, watcher).await?;
    let after = aws.everything().await?;
    let left: Vec<String> = after
        .found
        .iter()
        .filter(|found| found.owner == ResourceOwner::Ours)
        .map(|found| found.resource.key().to_string())
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(CloudError::new(
        CloudErrorKind::TryAgain,
        format!("still there: {}", left.join(", ")),
    )
    .hint("run the command again: it goes on where it stopped"))
}
