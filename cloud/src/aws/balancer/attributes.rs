//! ELB: the attributes of balancers and target groups.

use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerAttribute, TargetGroupAttribute};

use super::super::{Aws, called};
use crate::error::CloudError;
use crate::resource::{LoadBalancer, TargetGroup};

/// Keys of attributes.
const IDLE: &str = "idle_timeout.timeout_seconds";
const DROP_INVALID: &str = "routing.http.drop_invalid_header_fields.enabled";
const DRAIN: &str = "deregistration_delay.timeout_seconds";

/// The number in an attribute; 0 for anything else.
fn number(value: Option<&str>) -> u32 {
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

impl Aws {
    /// The time that a target group leaves to requests of a node that goes.
    pub(super) async fn drain_seconds(&self, arn: &str) -> Result<u32, CloudError> {
        let call = self.elb.describe_target_group_attributes();
        let call = call.target_group_arn(arn);
        let attributes = called!("elasticloadbalancing:DescribeTargetGroupAttributes", call)?;
        let mut attributes = attributes.attributes().iter();
        let drain = attributes.find(|one| one.key() == Some(DRAIN));
        Ok(number(drain.and_then(|one| one.value())))
    }

    /// A balancer's idle timeout, and whether it drops headers with invalid names.
    pub(super) async fn balancer_attributes(&self, arn: &str) -> Result<(u32, bool), CloudError> {
        let call = self.elb.describe_load_balancer_attributes();
        let call = call.load_balancer_arn(arn);
        let attributes = called!("elasticloadbalancing:DescribeLoadBalancerAttributes", call)?;
        let attribute = |key| {
            let mut all = attributes.attributes().iter();
            all.find(|one| one.key() == Some(key))?.value()
        };
        let drops = attribute(DROP_INVALID) == Some("true");
        Ok((number(attribute(IDLE)), drops))
    }

    pub(super) async fn set_balancer_attributes(
        &self,
        arn: &str,
        wanted: &LoadBalancer,
    ) -> Result<(), CloudError> {
        let values = [
            (IDLE, wanted.idle_seconds.to_string()),
            (DROP_INVALID, wanted.drops_invalid_headers.to_string()),
        ];
        let attribute = LoadBalancerAttribute::builder;
        let values = values.map(|(key, value)| attribute().key(key).value(value).build());
        let call = self.elb.modify_load_balancer_attributes();
        let call = call.load_balancer_arn(arn);
        let call = call.set_attributes(Some(values.into()));
        called!("elasticloadbalancing:ModifyLoadBalancerAttributes", call).map(drop)
    }

    pub(super) async fn set_drain_time(
        &self,
        arn: &str,
        wanted: &TargetGroup,
    ) -> Result<(), CloudError> {
        let value = TargetGroupAttribute::builder().key(DRAIN);
        let value = value.value(wanted.drain_seconds.to_string()).build();
        let call = self.elb.modify_target_group_attributes();
        let call = call.target_group_arn(arn).attributes(value);
        called!("elasticloadbalancing:ModifyTargetGroupAttributes", call).map(drop)
    }
}
