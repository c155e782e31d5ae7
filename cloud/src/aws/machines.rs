//! The state of machines according to EC2 and the balancer.

use super::{Aws, called, found};
use crate::error::CloudError;
use crate::status::{ById, Facts};

impl Aws {
    /// Returns EC2's facts about these machines. Machines that EC2 does not know any more are left
    /// out.
    pub(crate) async fn facts(&self, ids: &[String]) -> Result<ById<Facts>, CloudError> {
        let mut facts = ById::new();
        if ids.is_empty() {
            return Ok(facts);
        }
        let call = self.ec2.describe_instances();
        let call = call.set_instance_ids(Some(ids.to_vec()));
        let output = found!(
            "ec2:DescribeInstances",
            ["InvalidInstanceID.NotFound"],
            call
        )?;
        let reservations = output.and_then(|it| it.reservations).unwrap_or_default();
        for machine in reservations.iter().flat_map(|it| it.instances()) {
            let found = Facts {
                since: machine.launch_time().map(|time| time.secs()),
                address: machine.private_ip_address().map(str::to_owned),
            };
            facts.insert(machine.instance_id().unwrap_or_default().to_owned(), found);
        }
        Ok(facts)
    }

    /// Returns the balancer's state of the machines of a target group.
    pub(crate) async fn targets(&self, arn: Option<&str>) -> Result<ById<String>, CloudError> {
        let Some(arn) = arn else {
            return Ok(ById::new());
        };
        let call = self.elb.describe_target_health().target_group_arn(arn);
        let output = called!("elasticloadbalancing:DescribeTargetHealth", call)?;
        let described = output.target_health_descriptions().iter();
        let states = described.filter_map(|one| {
            let id = one.target()?.id()?.to_owned();
            let state = one.target_health()?.state()?.as_str().to_owned();
            Some((id, state))
        });
        Ok(states.collect())
    }
}
