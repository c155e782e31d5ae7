//! Surroundings in which nothing that is needed is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::PromoteRequest;
use crate::environment::{CloudEnvironment, PrescaleAction};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{InstanceType, Inventory, Subnet};

/// Surroundings in which nothing that is needed is missing.
pub(super) struct CheckedSurroundings<'a> {
    pub vpc: &'a str,
    pub subnets: Vec<&'a Subnet>,
    pub machine_image: &'a str,
}

impl<'a> CheckedSurroundings<'a> {
    pub fn new(wish: &PromoteRequest, inventory: &'a Inventory) -> Result<Self, CloudError> {
        let (env, around) = (&wish.env, &inventory.around);
        let region = &inventory.place.region;
        let config =
            |what: String, hint: String| CloudError::new(CloudErrorKind::Config, what).hint(hint);
        check_schedules(env)?;
        let kind = instance_type(env, inventory)?;
        if !wish.architectures.contains(&kind.architecture) {
            return Err(wrong_processor(wish, kind));
        }
        let Some(vpc) = around.vpc.as_deref() else {
            return Err(config(
                format!("{region} has no default VPC"),
                format!(
                    "name `subnets` in [env.{}], in two zones at least",
                    env.name
                ),
            ));
        };
        if let Some(stranger) = around.subnets.iter().find(|subnet| subnet.vpc != vpc) {
            return Err(config(
                format!("subnet {} is not in {vpc} as the others are", stranger.id),
                "name subnets of one VPC".to_owned(),
            ));
        }
        let offered = |subnet: &&Subnet| kind.zones.contains(&subnet.zone);
        let subnets: Vec<&Subnet> = around.subnets.iter().filter(offered).collect();
        let zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
        if zones.len() < 2 {
            return Err(config(
                format!(
                    "`{}` can be had in {} zone(s) of the subnets of {vpc}, and two are needed",
                    kind.name,
                    zones.len()
                ),
                format!(
                    "name `subnets` in more zones in [env.{}], or another `instance_type`",
                    env.name
                ),
            ));
        }
        let Some(machine_image) = around.machine_image.as_deref() else {
            return Err(config(
                format!(
                    "{region} has no machine image of Amazon Linux 2023 for {}",
                    kind.architecture
                ),
                "choose another region".to_owned(),
            ));
        };
        Ok(Self {
            vpc,
            subnets: one_a_zone(&subnets),
            machine_image,
        })
    }

    pub fn subnet_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .subnets
            .iter()
            .map(|subnet| subnet.id.clone())
            .collect();
        ids.sort();
        ids
    }
}

/// Returns AWS's facts about the environment's instance type.
///
/// # Errors
/// The region has none of this name.
pub fn instance_type<'a>(
    env: &CloudEnvironment,
    inventory: &'a Inventory,
) -> Result<&'a InstanceType, CloudError> {
    let kind = inventory.around.instance_type.as_ref();
    kind.ok_or_else(|| {
        let region = &inventory.place.region;
        CloudError::new(
            CloudErrorKind::Config,
            format!("{region} has no instance type `{}`", env.instance_type),
        )
        .hint(format!(
            "name another `instance_type` in [env.{}]",
            env.name
        ))
    })
}

/// A balancer takes one subnet a zone.
fn one_a_zone<'a>(subnets: &[&'a Subnet]) -> Vec<&'a Subnet> {
    let mut by_zone: BTreeMap<&str, &Subnet> = BTreeMap::new();
    for subnet in subnets {
        let chosen = by_zone.entry(&subnet.zone).or_insert(subnet);
        if subnet.id < chosen.id {
            *chosen = subnet;
        }
    }
    by_zone.into_values().collect()
}

fn wrong_processor(wish: &PromoteRequest, kind: &InstanceType) -> CloudError {
    let have: Vec<&str> = wish.architectures.iter().map(String::as_str).collect();
    CloudError::new(
        CloudErrorKind::Config,
        format!(
            "`{}` has a processor of the kind {}, and the images are for {}",
            kind.name,
            kind.architecture,
            have.join(" and ")
        ),
    )
    .hint(format!(
        "build for {}, or name another `instance_type`",
        kind.architecture
    ))
}

fn check_schedules(env: &CloudEnvironment) -> Result<(), CloudError> {
    for PrescaleAction {
        name, cron, min, ..
    } in &env.prescale
    {
        let wrong = |what: String| {
            Err(CloudError::new(CloudErrorKind::Config, what)
                .hint(format!("see `prescale` in [env.{}]", env.name)))
        };
        if cron.split_whitespace().count() != 5 {
            return wrong(format!(
                "`{cron}` of `{name}` is not a cron expression of five fields"
            ));
        }
        if *min > env.max {
            return wrong(format!(
                "`{name}` wants {min} nodes, and {} is the most",
                env.max
            ));
        }
    }
    Ok(())
}
