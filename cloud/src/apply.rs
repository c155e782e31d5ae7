//! Carries a plan out, step by step. This module chooses nothing: the plan has every action.

use crate::aws::{Aws, Ids};
use crate::copy::{self, Sent};
use crate::delivery::{MANIFEST_TYPE, StoredRelease};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::Inventory;
use crate::plan::{Action, Plan, PlanStep};
use crate::resource::{Artifact, RepositoryImage, Resource};
use crate::source::ImageSource;

/// The progress of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyProgress {
    /// A step begins.
    Step {
        /// The number of the step, from 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// The action.
        what: String,
    },
    /// Blobs are sent.
    Sending {
        /// How many.
        blobs: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A blob has arrived.
    Sent {
        /// Bytes sent so far.
        bytes: u64,
    },
    /// Nodes are replaced.
    Replacing {
        /// How far it is.
        percent: u32,
    },
}

/// A callback for the progress.
pub type OnApplyProgress<'a> = &'a (dyn Fn(ApplyProgress) + Sync);

/// Carries a plan out. `inventory` is what it was made from or checked against; `source` is needed
/// by plans that copy images.
///
/// # Errors
/// A step fails; those before it stay done, and the next promote goes on from there.
pub async fn apply(
    aws: &Aws,
    plan: &Plan,
    inventory: &Inventory,
    source: Option<&ImageSource>,
    watcher: OnApplyProgress<'_>,
) -> Result<Sent, CloudError> {
    let mut ids = Ids::from_inventory(inventory);
    let mut sent = Sent::default();
    let is_copy = |step: &&PlanStep| {
        step.action == Action::Create && matches!(step.resource, Resource::Image(_))
    };
    let copies: Vec<&RepositoryImage> = plan
        .steps
        .iter()
        .filter(is_copy)
        .filter_map(|step| match &step.resource {
            Resource::Image(image) => Some(image),
            _ => None,
        })
        .collect();
    let mut copied = false;
    for (at, step) in plan.steps.iter().enumerate() {
        let (number, action) = (at + 1, step.action);
        tracing::info!(number, of = plan.steps.len(), ?action, step = %step.resource.key(), "step");
        watcher(ApplyProgress::Step {
            number: at + 1,
            of: plan.steps.len(),
            what: step.resource.key().to_string(),
        });
        if is_copy(&step) {
            // All together at the first, since they share most of their layers.
            if !copied {
                let source = source.ok_or_else(|| nothing_to_copy_from(plan))?;
                sent = copy::copy(source, aws.registry(), &copies, watcher).await?;
                copied = true;
            }
            continue;
        }
        match &step.resource {
            Resource::Release(artifact) if step.action == Action::Create => {
                let delivery = plan
                    .delivery
                    .as_ref()
                    .ok_or_else(|| nothing_to_copy_from(plan))?;
                store(aws, artifact, delivery).await?;
            }
            _ => aws.take(step, plan, &mut ids, watcher).await?,
        }
    }
    Ok(sent)
}

async fn store(aws: &Aws, artifact: &Artifact, delivery: &StoredRelease) -> Result<(), CloudError> {
    let packed = delivery.pack();
    if packed.digest.to_string() != artifact.digest {
        return Err(CloudError::new(
            CloudErrorKind::Failed,
            format!("the release in the plan is not {}", artifact.digest),
        )
        .hint("the plan was changed by hand, or by another version of fnlocal: make a new one"));
    }
    for (digest, bytes) in &packed.blobs {
        if !aws.registry().has_blob(digest).await? {
            aws.registry().put_bytes(digest, bytes).await?;
        }
    }
    aws.registry()
        .put_manifest(&artifact.tag, MANIFEST_TYPE, &packed.manifest)
        .await
}

fn nothing_to_copy_from(plan: &Plan) -> CloudError {
    CloudError::new(
        CloudErrorKind::Failed,
        format!(
            "the plan for `{}` sends images, and none are given",
            plan.names.env()
        ),
    )
    .hint("run the command in the project's folder")
}
