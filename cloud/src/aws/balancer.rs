//! ELB: the balancer, its target group and its listeners.

mod attributes;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, Listener as ElbListener, LoadBalancerSchemeEnum,
    ProtocolEnum, RedirectActionConfig, RedirectActionStatusCodeEnum, Tag,
    TargetGroup as ElbTargetGroup, TargetTypeEnum,
};

use super::{Aws, Creation, Ids, called, found, settled};
use crate::endpoint::{self, Endpoint};
use crate::error::CloudError;
use crate::inventory::{FoundResource, ResourceOwner};
use crate::resource::{Listener, LoadBalancer, Resource, ResourceKind, TargetGroup};

impl Aws {
    /// Balancer, target group and listeners; and where requests come in.
    pub(super) async fn read_front(
        &self,
        ids: &Ids,
    ) -> Result<(Vec<FoundResource>, Option<Endpoint>), CloudError> {
        let name = self.names.balancer();
        let (balancers, groups) = tokio::join!(
            async {
                let call = self.elb.describe_load_balancers().names(&name);
                found!(
                    "elasticloadbalancing:DescribeLoadBalancers",
                    ["LoadBalancerNotFound"],
                    call
                )
            },
            async {
                let call = self.elb.describe_target_groups().names(&name);
                found!(
                    "elasticloadbalancing:DescribeTargetGroups",
                    ["TargetGroupNotFound"],
                    call
                )
            }
        );
        let balancer = balancers?.and_then(|it| it.load_balancers.unwrap_or_default().pop());
        let group = groups?.and_then(|it| it.target_groups.unwrap_or_default().pop());
        let mut found = Vec::new();
        let mut ids = ids.clone();
        if let Some(group) = group {
            let arn = group.target_group_arn().unwrap_or_default().to_owned();
            let drain_seconds = self.drain_seconds(&arn).await?;
            let resource = Resource::TargetGroup(plain_group(&name, &group, drain_seconds));
            ids.insert(resource.key(), arn.clone());
            let owner = self.elb_owner(&arn).await?;
            found.push(FoundResource {
                resource,
                id: arn,
                owner,
            });
        }
        let Some(balancer) = balancer else {
            return Ok((found, None));
        };
        let arn = balancer.load_balancer_arn().unwrap_or_default().to_owned();
        let zones = balancer.availability_zones().iter();
        let mut subnets: Vec<String> = zones.filter_map(|zone| zone.subnet_id.clone()).collect();
        subnets.sort();
        let firewalls = balancer.security_groups().iter();
        let (idle_seconds, drops_invalid_headers) = self.balancer_attributes(&arn).await?;
        let resource = Resource::Balancer(LoadBalancer {
            name,
            subnets,
            firewalls: firewalls
                .map(|id| ids.name_of(ResourceKind::SecurityGroup, id))
                .collect(),
            idle_seconds,
            drops_invalid_headers,
        });
        let owner = self.elb_owner(&arn).await?;
        let listeners = self.read_listeners(&arn, &owner, &ids).await?;
        let is_secure = |found: &FoundResource| matches!(&found.resource, Resource::Listener(it) if it.certificate.is_some());
        let door = balancer.dns_name.map(|address| Endpoint {
            address,
            secure: listeners.iter().any(is_secure),
            since: balancer.created_time.map(|time| time.secs()),
        });
        found.extend(listeners);
        found.push(FoundResource {
            resource,
            id: arn,
            owner,
        });
        Ok((found, door))
    }

    /// Where requests come in.
    ///
    /// # Errors
    /// There is no balancer of this environment, or AWS does not say.
    pub async fn door(&self) -> Result<Endpoint, CloudError> {
        let (found, door) = self.read_front(&Ids::default()).await?;
        let is_ours = |found: &FoundResource| {
            found.owner == ResourceOwner::Ours
                && found.resource.key().kind == ResourceKind::Balancer
        };
        let door = door.filter(|_| found.iter().any(is_ours));
        door.ok_or_else(|| endpoint::none(&self.names))
    }

    /// Listeners have the balancer's owner: nobody else can add one to it unseen.
    async fn read_listeners(
        &self,
        balancer: &str,
        owner: &ResourceOwner,
        ids: &Ids,
    ) -> Result<Vec<FoundResource>, CloudError> {
        let call = self.elb.describe_listeners().load_balancer_arn(balancer);
        let output = found!(
            "elasticloadbalancing:DescribeListeners",
            ["LoadBalancerNotFound"],
            call
        )?;
        let listeners = output
            .and_then(|output| output.listeners)
            .unwrap_or_default();
        let found = listeners.iter().map(|listener| FoundResource {
            resource: Resource::Listener(plain(listener, ids)),
            id: listener.listener_arn().unwrap_or_default().to_owned(),
            owner: owner.clone(),
        });
        Ok(found.collect())
    }

    async fn elb_owner(&self, arn: &str) -> Result<ResourceOwner, CloudError> {
        let output = called!(
            "elasticloadbalancing:DescribeTags",
            self.elb.describe_tags().resource_arns(arn)
        )?;
        let tags = output.tag_descriptions().iter().flat_map(|it| it.tags());
        Ok(self.owner(tags.filter_map(|tag| Some((tag.key()?, tag.value()?)))))
    }

    pub(super) async fn create_balancer(
        &self,
        wanted: &LoadBalancer,
        ids: &Ids,
    ) -> Result<Creation, CloudError> {
        let call = self
            .elb
            .create_load_balancer()
            .name(&wanted.name)
            .scheme(LoadBalancerSchemeEnum::InternetFacing)
            .set_subnets(Some(wanted.subnets.clone()))
            .set_security_groups(Some(firewalls(wanted, ids)?))
            .set_tags(Some(self.elb_tags()));
        let output = found!(
            "elasticloadbalancing:CreateLoadBalancer",
            ["DuplicateLoadBalancerName"],
            call
        )?;
        let made = output.and_then(|output| output.load_balancers.unwrap_or_default().pop());
        let Some(arn) = made.and_then(|made| made.load_balancer_arn) else {
            return Ok(Creation::There);
        };
        self.set_balancer_attributes(&arn, wanted).await?;
        Ok(Creation::New(arn))
    }

    pub(super) async fn change_balancer(
        &self,
        arn: &str,
        wanted: &LoadBalancer,
        fields: &[&str],
        ids: &Ids,
    ) -> Result<(), CloudError> {
        if fields.contains(&"subnets") {
            let call = self.elb.set_subnets().load_balancer_arn(arn);
            let call = call.set_subnets(Some(wanted.subnets.clone()));
            called!("elasticloadbalancing:SetSubnets", call)?;
        }
        if fields.contains(&"firewalls") {
            let call = self.elb.set_security_groups().load_balancer_arn(arn);
            let call = call.set_security_groups(Some(firewalls(wanted, ids)?));
            called!("elasticloadbalancing:SetSecurityGroups", call)?;
        }
        if fields.contains(&"idle_seconds") || fields.contains(&"drops_invalid_headers") {
            self.set_balancer_attributes(arn, wanted).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_balancer(&self, arn: &str) -> Result<(), CloudError> {
        let call = self.elb.delete_load_balancer().load_balancer_arn(arn);
        found!(
            "elasticloadbalancing:DeleteLoadBalancer",
            ["LoadBalancerNotFound"],
            call
        )
        .map(drop)
    }

    pub(super) async fn create_target_group(
        &self,
        wanted: &TargetGroup,
    ) -> Result<Creation, CloudError> {
        let seconds = i32::try_from(wanted.health_seconds).unwrap_or(i32::MAX);
        let call = self
            .elb
            .create_target_group()
            .name(&wanted.name)
            .protocol(ProtocolEnum::Http)
            .port(i32::from(wanted.port))
            .vpc_id(&wanted.vpc)
            .target_type(TargetTypeEnum::Instance)
            .health_check_path(&wanted.health_path)
            .health_check_interval_seconds(seconds)
            .healthy_threshold_count(2)
            .set_tags(Some(self.elb_tags()));
        let output = found!(
            "elasticloadbalancing:CreateTargetGroup",
            ["DuplicateTargetGroupName"],
            call
        )?;
        let made = output.and_then(|output| output.target_groups.unwrap_or_default().pop());
        let Some(arn) = made.and_then(|made| made.target_group_arn) else {
            return Ok(Creation::There);
        };
        self.set_drain_time(&arn, wanted).await?;
        Ok(Creation::New(arn))
    }

    pub(super) async fn change_target_group(
        &self,
        arn: &str,
        wanted: &TargetGroup,
        fields: &[&str],
    ) -> Result<(), CloudError> {
        if fields.contains(&"drain_seconds") {
            self.set_drain_time(arn, wanted).await?;
        }
        if fields == ["drain_seconds"] {
            return Ok(());
        }
        let seconds = i32::try_from(wanted.health_seconds).unwrap_or(i32::MAX);
        let call = self.elb.modify_target_group().target_group_arn(arn);
        let call = call.health_check_path(&wanted.health_path);
        let call = call.health_check_interval_seconds(seconds);
        called!("elasticloadbalancing:ModifyTargetGroup", call).map(drop)
    }

    /// Deletes it, once the balancer has let go of it.
    pub(super) async fn delete_target_group(&self, arn: &str) -> Result<(), CloudError> {
        let call = self.elb.delete_target_group().target_group_arn(arn);
        let deleted = settled!(
            self,
            "elasticloadbalancing:DeleteTargetGroup",
            ["ResourceInUse"],
            call
        );
        let Err(error) = deleted else { return Ok(()) };
        let call = self.elb.describe_target_groups().target_group_arns(arn);
        match found!(
            "elasticloadbalancing:DescribeTargetGroups",
            ["TargetGroupNotFound"],
            call
        )? {
            None => Ok(()),
            Some(_) => Err(error),
        }
    }

    pub(super) async fn create_listener(
        &self,
        wanted: &Listener,
        ids: &Ids,
    ) -> Result<Creation, CloudError> {
        let balancer = ids.get(ResourceKind::Balancer, &self.names.balancer())?;
        let mut call = self
            .elb
            .create_listener()
            .load_balancer_arn(balancer)
            .protocol(protocol(wanted))
            .port(wanted.name.parse().unwrap_or(0))
            .default_actions(action(wanted, ids)?)
            .set_tags(Some(self.elb_tags()));
        if let Some(certificate) = &wanted.certificate {
            call = call.certificates(Certificate::builder().certificate_arn(certificate).build());
            call = call.set_ssl_policy(wanted.tls_policy.clone());
        }
        let output = found!(
            "elasticloadbalancing:CreateListener",
            ["DuplicateListener"],
            call
        )?;
        let made = output.and_then(|output| output.listeners.unwrap_or_default().pop());
        Ok(made
            .and_then(|made| made.listener_arn)
            .map_or(Creation::There, Creation::New))
    }

    pub(super) async fn change_listener(
        &self,
        arn: &str,
        wanted: &Listener,
        ids: &Ids,
    ) -> Result<(), CloudError> {
        let mut call = self
            .elb
            .modify_listener()
            .listener_arn(arn)
            .protocol(protocol(wanted))
            .default_actions(action(wanted, ids)?);
        if let Some(certificate) = &wanted.certificate {
            call = call.certificates(Certificate::builder().certificate_arn(certificate).build());
            call = call.set_ssl_policy(wanted.tls_policy.clone());
        }
        called!("elasticloadbalancing:ModifyListener", call).map(drop)
    }

    pub(super) async fn delete_listener(&self, arn: &str) -> Result<(), CloudError> {
        let call = self.elb.delete_listener().listener_arn(arn);
        found!(
            "elasticloadbalancing:DeleteListener",
            ["ListenerNotFound"],
            call
        )
        .map(drop)
    }

    fn elb_tags(&self) -> Vec<Tag> {
        let tags = self.tags().into_iter();
        tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect()
    }
}

fn firewalls(wanted: &LoadBalancer, ids: &Ids) -> Result<Vec<String>, CloudError> {
    let names = wanted.firewalls.iter();
    names
        .map(|name| {
            ids.get(ResourceKind::SecurityGroup, name)
                .map(str::to_owned)
        })
        .collect()
}

fn protocol(wanted: &Listener) -> ProtocolEnum {
    match wanted.certificate {
        Some(_) => ProtocolEnum::Https,
        None => ProtocolEnum::Http,
    }
}

fn action(wanted: &Listener, ids: &Ids) -> Result<Action, CloudError> {
    let action = match &wanted.forward {
        Some(group) => Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .target_group_arn(ids.get(ResourceKind::TargetGroup, group)?),
        None => Action::builder()
            .r#type(ActionTypeEnum::Redirect)
            .redirect_config(
                RedirectActionConfig::builder()
                    .protocol("HTTPS")
                    .port("443")
                    .status_code(RedirectActionStatusCodeEnum::Http301)
                    .build(),
            ),
    };
    Ok(action.build())
}

fn plain(listener: &ElbListener, ids: &Ids) -> Listener {
    let actions = listener.default_actions();
    let forward = actions.iter().find_map(|action| action.target_group_arn());
    let certificate = listener.certificates().first();
    Listener {
        name: listener.port().unwrap_or(0).to_string(),
        certificate: certificate.and_then(|certificate| certificate.certificate_arn.clone()),
        tls_policy: listener
            .ssl_policy()
            .filter(|_| certificate.is_some())
            .map(str::to_owned),
        forward: forward.map(|arn| ids.name_of(ResourceKind::TargetGroup, arn)),
    }
}

fn plain_group(name: &str, group: &ElbTargetGroup, drain_seconds: u32) -> TargetGroup {
    let seconds = group.health_check_interval_seconds();
    TargetGroup {
        name: name.to_owned(),
        port: group
            .port()
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(0),
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        health_path: group.health_check_path().unwrap_or_default().to_owned(),
        health_seconds: seconds.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
        drain_seconds,
    }
}
