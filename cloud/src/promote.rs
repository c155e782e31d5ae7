//! The commands: promote, status, rollback, destroy.

use serde::{Deserialize, Serialize};

use crate::apply::{Watcher, apply};
use crate::aws::Aws;
use crate::copy::Sent;
use crate::desired::{Wish, desired};
use crate::door::Door;
use crate::error::{CloudError, Kind};
use crate::inventory::{Inventory, Node, Owner, Refresh};
use crate::plan::Plan;
use crate::source::Source;

/// What is there, and the plan to make it what is wished.
///
/// # Errors
/// AWS does not say what is there, or the wish cannot be.
pub async fn plan(aws: &Aws, wish: &Wish) -> Result<(Inventory, Plan), CloudError> {
    let inventory = aws.inventory(&wish.env).await?;
    let plan = plan_on(aws, wish, &inventory).await?;
    Ok((inventory, plan))
}

/// The plan to make what is there what is wished.
///
/// # Errors
/// The wish cannot be, or AWS does not say whether variables have values.
pub async fn plan_on(aws: &Aws, wish: &Wish, inventory: &Inventory) -> Result<Plan, CloudError> {
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
    wish: &Wish,
    source: &Source,
    watcher: Watcher<'_>,
) -> Result<Sent, CloudError> {
    let inventory = aws.inventory(&wish.env).await?;
    plan.check(aws.names(), &inventory)?;
    apply(aws, plan, &inventory, Some(source), watcher).await
}

/// Moves the pointer to a stored release.
///
/// # Errors
/// There is no such release, or a step fails.
pub async fn rollback(aws: &Aws, number: u32, watcher: Watcher<'_>) -> Result<Plan, CloudError> {
    let inventory = aws.everything().await?;
    let plan = Plan::rollback(aws.names(), &inventory, number)?;
    apply(aws, &plan, &inventory, None, watcher).await?;
    Ok(plan)
}

/// What deleting all that is ours would do.
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
    watcher: Watcher<'_>,
) -> Result<(), CloudError> {
    apply(aws, plan, inventory, None, watcher).await?;
    let after = aws.everything().await?;
    let left: Vec<String> = after
        .found
        .iter()
        .filter(|found| found.owner == Owner::Ours)
        .map(|found| found.resource.key().to_string())
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(
        CloudError::new(Kind::TryAgain, format!("still there: {}", left.join(", ")))
            .hint("run the command again: it goes on where it stopped"),
    )
}

/// How an environment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The release the nodes follow, as `TAG@DIGEST`.
    pub release: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// Its functions, sorted.
    pub functions: Vec<String>,
    /// All releases that can be rolled back to.
    pub releases: Vec<String>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// A replacement of nodes that is under way.
    pub refresh: Option<Refresh>,
    /// Where requests come in.
    pub door: Option<Door>,
}

/// How the environment is.
///
/// # Errors
/// AWS does not say what is there.
pub async fn status(aws: &Aws) -> Result<Status, CloudError> {
    let inventory = aws.everything().await?;
    let current = inventory.current().map(|(_, delivery)| &delivery.release);
    let functions =
        current.map(|release| release.functions().into_keys().map(str::to_owned).collect());
    Ok(Status {
        release: inventory.pointer().map(str::to_owned),
        created: current.map(|release| release.created.clone()),
        functions: functions.unwrap_or_default(),
        releases: inventory.deliveries.keys().cloned().collect(),
        nodes: inventory.nodes,
        refresh: inventory.refresh,
        door: inventory.door,
    })
}
