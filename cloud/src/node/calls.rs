//! The calls a node makes: no more than its role allows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::LifecycleState;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use super::{MEMORY_METRIC, NodeSettings};
use crate::aws::diagnosis::client;
use crate::aws::{called, ecr};
use crate::error::{CloudError, CloudErrorKind};
use crate::names::RELEASE_TAG;
use crate::registry::Login;

/// The maximum number of parameters in one call: SSM's bound.
const PARAMETERS: usize = 10;

/// The services a node talks to.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    autoscaling: aws_sdk_autoscaling::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    ec2: aws_sdk_ec2::Client,
    ecr: aws_sdk_ecr::Client,
    ssm: aws_sdk_ssm::Client,
}

/// A group at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupSnapshot {
    /// The release its nodes follow, as `TAG@DIGEST`.
    pub pointer: Option<String>,
    /// Its members' lifecycle states, by id.
    pub members: BTreeMap<String, String>,
}

impl Calls {
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            autoscaling: client!(aws_sdk_autoscaling, config),
            cloudwatch: client!(aws_sdk_cloudwatch, config),
            ec2: client!(aws_sdk_ec2, config),
            ecr: client!(aws_sdk_ecr, config),
            ssm: client!(aws_sdk_ssm, config),
        }
    }

    /// The group: its members and its pointer, in one call.
    pub async fn group(&self, name: &str) -> Result<GroupSnapshot, CloudError> {
        let call = self.autoscaling.describe_auto_scaling_groups();
        let call = call.auto_scaling_group_names(name);
        let output = called!("autoscaling:DescribeAutoScalingGroups", call)?;
        let Some(group) = output.auto_scaling_groups().first() else {
            return Err(CloudError::new(
                CloudErrorKind::Failed,
                format!("there is no auto-scaling group {name}"),
            )
            .hint("it may be being deleted; run `fnlocal promote` to have it again"));
        };
        let mut tags = group.tags().iter();
        let pointer = tags.find(|tag| tag.key() == Some(RELEASE_TAG));
        let members = group.instances().iter().filter_map(|one| {
            let state = one.lifecycle_state().map_or("", LifecycleState::as_str);
            Some((one.instance_id()?.to_owned(), state.to_owned()))
        });
        Ok(GroupSnapshot {
            pointer: pointer.and_then(|tag| tag.value()).map(str::to_owned),
            members: members.collect(),
        })
    }

    /// The machines' private addresses. Machines that are gone are left out.
    pub async fn addresses(&self, ids: &[String]) -> Result<BTreeMap<String, IpAddr>, CloudError> {
        let call = self.ec2.describe_instances();
        let call = call.set_instance_ids(Some(ids.to_vec()));
        let output = called!("ec2:DescribeInstances", call)?;
        let reservations = output.reservations().iter();
        let machines = reservations.flat_map(|one| one.instances());
        let addresses = machines.filter_map(|one| {
            let address = one.private_ip_address()?.parse().ok()?;
            Some((one.instance_id()?.to_owned(), address))
        });
        Ok(addresses.collect())
    }

    /// How to get into the registry; good for half a day.
    pub async fn login(&self) -> Result<Login, CloudError> {
        ecr::login(&self.ecr).await
    }

    /// The key by which nodes know each other.
    pub async fn peer_key(&self, name: &str) -> Result<String, CloudError> {
        let call = self.ssm.get_parameter().name(name).with_decryption(true);
        let output = called!("ssm:GetParameter", call)?;
        let value = output.parameter.and_then(|parameter| parameter.value);
        value.ok_or_else(|| {
            CloudError::new(
                CloudErrorKind::Failed,
                format!("the SSM parameter {name} is empty"),
            )
            .hint("run `fnlocal promote`, which makes it")
        })
    }

    /// The values of variables; `sources` are their SSM parameters by name.
    pub async fn variables(
        &self,
        sources: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, CloudError> {
        let mut paths: Vec<String> = sources.values().cloned().collect();
        paths.sort();
        paths.dedup();
        let mut values = BTreeMap::new();
        for some in paths.chunks(PARAMETERS) {
            let call = self.ssm.get_parameters().with_decryption(true);
            let call = call.set_names(Some(some.to_vec()));
            let output = called!("ssm:GetParameters", call)?;
            let found = output.parameters.unwrap_or_default().into_iter();
            values.extend(found.filter_map(|one| Some((one.name?, one.value?))));
        }
        let value = |(variable, path): (&String, &String)| {
            let value = values.get(path).cloned().ok_or_else(|| {
                let what = format!("{path}, the SSM parameter of {variable}, is not there");
                let hint =
                    format!("aws ssm put-parameter --type SecureString --name {path} --value …");
                CloudError::new(CloudErrorKind::Config, what).hint(hint)
            })?;
            Ok((variable.clone(), value))
        };
        sources.iter().map(value).collect()
    }

    /// Tells the group that a machine that ends may.
    pub async fn complete(&self, settings: &NodeSettings, id: &str) -> Result<(), CloudError> {
        let call = self
            .autoscaling
            .complete_lifecycle_action()
            .auto_scaling_group_name(&settings.group)
            .lifecycle_hook_name(&settings.drain_hook)
            .instance_id(id)
            .lifecycle_action_result("CONTINUE");
        called!("autoscaling:CompleteLifecycleAction", call).map(drop)
    }

    /// Publishes the memory committed, in percent.
    pub async fn publish(&self, settings: &NodeSettings, percent: f64) -> Result<(), CloudError> {
        let dimension = Dimension::builder()
            .name("AutoScalingGroupName")
            .value(&settings.group)
            .build();
        let datum = MetricDatum::builder()
            .metric_name(MEMORY_METRIC)
            .dimensions(dimension)
            .unit(StandardUnit::Percent)
            .value(percent)
            .build();
        let call = self.cloudwatch.put_metric_data();
        let call = call.namespace(&settings.metrics).metric_data(datum);
        called!("cloudwatch:PutMetricData", call).map(drop)
    }
}
