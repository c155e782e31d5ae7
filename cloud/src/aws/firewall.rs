//! EC2: security groups.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, ResourceType, SecurityGroup as DescribedGroup, Tag, TagSpecification,
    UserIdGroupPair,
};

use super::network::filter;
use super::{Aws, Creation, Ids, called, found, settled};
use crate::error::CloudError;
use crate::inventory::FoundResource;
use crate::resource::{Resource, ResourceKey, ResourceKind, Rule, SecurityGroup};

impl Aws {
    pub(super) async fn read_firewalls(&self) -> Result<Vec<FoundResource>, CloudError> {
        let names = [self.names.balancer_firewall(), self.names.node_firewall()];
        let both = filter("group-name", &names[0]);
        let both = aws_sdk_ec2::types::Filter::builder()
            .set_name(both.name)
            .set_values(Some(names.to_vec()))
            .build();
        let call = self.ec2.describe_security_groups().filters(both);
        let output = called!("ec2:DescribeSecurityGroups", call)?;
        let mut ids = Ids::default();
        for group in output.security_groups() {
            ids.insert(key(group), group.group_id().unwrap_or_default().to_owned());
        }
        let groups = output.security_groups().iter();
        let found = groups.map(|group| FoundResource {
            owner: self.ec2_owner(group.tags()),
            id: group.group_id().unwrap_or_default().to_owned(),
            resource: Resource::SecurityGroup(SecurityGroup {
                name: group.group_name().unwrap_or_default().to_owned(),
                description: group.description().unwrap_or_default().to_owned(),
                vpc: group.vpc_id().unwrap_or_default().to_owned(),
                ingress: rules(group.ip_permissions(), &ids),
            }),
        });
        Ok(found.collect())
    }

    pub(super) async fn create_firewall(
        &self,
        wanted: &SecurityGroup,
        ids: &Ids,
    ) -> Result<Creation, CloudError> {
        let call = self
            .ec2
            .create_security_group()
            .group_name(&wanted.name)
            .description(&wanted.description)
            .vpc_id(&wanted.vpc)
            .tag_specifications(self.ec2_tags(ResourceType::SecurityGroup));
        let output = found!("ec2:CreateSecurityGroup", ["InvalidGroup.Duplicate"], call)?;
        let Some(id) = output.and_then(|output| output.group_id) else {
            return Ok(Creation::There);
        };
        let mut ids = ids.clone();
        let this = Resource::SecurityGroup(wanted.clone()).key();
        ids.insert(this, id.clone());
        self.allow(&id, &wanted.ingress, &ids).await?;
        Ok(Creation::New(id))
    }

    /// Adds the rules that are missing, then removes those that are too many.
    pub(super) async fn change_firewall(
        &self,
        id: &str,
        wanted: &SecurityGroup,
        ids: &Ids,
    ) -> Result<(), CloudError> {
        let call = self.ec2.describe_security_groups().group_ids(id);
        let output = called!("ec2:DescribeSecurityGroups", call)?;
        let group = output.security_groups().first();
        let permissions = group
            .map(|group| group.ip_permissions())
            .unwrap_or_default();
        let there = rules(permissions, ids);
        let missing: Vec<Rule> = wanted
            .ingress
            .iter()
            .filter(|rule| !there.contains(rule))
            .cloned()
            .collect();
        self.allow(id, &missing, ids).await?;
        // One permission may hold several rules; it goes whole, and what was right in it is put
        // back by the same call's other half.
        for permission in permissions {
            let held = rules(std::slice::from_ref(permission), ids);
            if held.iter().all(|rule| wanted.ingress.contains(rule)) {
                continue;
            }
            let call = self.ec2.revoke_security_group_ingress().group_id(id);
            let call = call.ip_permissions(permission.clone());
            found!(
                "ec2:RevokeSecurityGroupIngress",
                ["InvalidPermission.NotFound"],
                call
            )?;
            let right: Vec<Rule> = held
                .into_iter()
                .filter(|rule| wanted.ingress.contains(rule))
                .collect();
            self.allow(id, &right, ids).await?;
        }
        Ok(())
    }

    /// Deletes it, once nothing uses it any more: a balancer's network interfaces stay for minutes.
    pub(super) async fn delete_firewall(&self, id: &str) -> Result<(), CloudError> {
        let call = self.ec2.delete_security_group().group_id(id);
        let deleted = settled!(
            self,
            "ec2:DeleteSecurityGroup",
            ["DependencyViolation", "ResourceInUse"],
            call
        );
        let Err(error) = deleted else { return Ok(()) };
        let call = self.ec2.describe_security_groups().group_ids(id);
        match found!(
            "ec2:DescribeSecurityGroups",
            ["InvalidGroup.NotFound"],
            call
        )? {
            None => Ok(()),
            Some(_) => Err(error),
        }
    }

    /// Tags for something EC2 makes.
    pub(super) fn ec2_tags(&self, kind: ResourceType) -> TagSpecification {
        let mut tags = TagSpecification::builder().resource_type(kind);
        for (key, value) in self.tags() {
            tags = tags.tags(Tag::builder().key(key).value(value).build());
        }
        tags.build()
    }

    /// Whose something with these tags of EC2 is.
    pub(super) fn ec2_owner(&self, tags: &[Tag]) -> crate::inventory::ResourceOwner {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let tags: Vec<(String, String)> = tags
            .iter()
            .map(|tag| (text(tag.key()), text(tag.value())))
            .collect();
        self.owner(
            tags.iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        )
    }

    async fn allow(&self, id: &str, rules: &[Rule], ids: &Ids) -> Result<(), CloudError> {
        // One by one: a rule that is there already would refuse the others with it.
        for rule in rules {
            let port = i32::from(rule.port);
            let permission = IpPermission::builder()
                .ip_protocol("tcp")
                .from_port(port)
                .to_port(port);
            let permission = if rule.from.contains('/') {
                permission.ip_ranges(IpRange::builder().cidr_ip(&rule.from).build())
            } else {
                let other = ids.get(ResourceKind::SecurityGroup, &rule.from)?;
                let pair = UserIdGroupPair::builder().group_id(other).build();
                permission.user_id_group_pairs(pair)
            };
            let call = self.ec2.authorize_security_group_ingress().group_id(id);
            let call = call.ip_permissions(permission.build());
            found!(
                "ec2:AuthorizeSecurityGroupIngress",
                ["InvalidPermission.Duplicate"],
                call
            )?;
        }
        Ok(())
    }
}

fn key(group: &DescribedGroup) -> ResourceKey {
    ResourceKey {
        kind: ResourceKind::SecurityGroup,
        name: group.group_name().unwrap_or_default().to_owned(),
    }
}

fn rules(permissions: &[IpPermission], ids: &Ids) -> Vec<Rule> {
    let mut rules = Vec::new();
    for permission in permissions {
        let one_port = permission.from_port() == permission.to_port();
        let port = permission
            .from_port()
            .and_then(|port| u16::try_from(port).ok());
        let is_plain = permission.ip_protocol() == Some("tcp") && one_port;
        let port = port.filter(|_| is_plain).unwrap_or(0);
        let blocks = permission
            .ip_ranges()
            .iter()
            .filter_map(|range| range.cidr_ip.clone());
        let six = permission
            .ipv6_ranges()
            .iter()
            .filter_map(|range| range.cidr_ipv6.clone());
        let lists = permission
            .prefix_list_ids()
            .iter()
            .filter_map(|list| list.prefix_list_id.clone());
        let groups = permission.user_id_group_pairs().iter();
        let groups = groups
            .filter_map(|pair| Some(ids.name_of(ResourceKind::SecurityGroup, pair.group_id()?)));
        let all = blocks.chain(six).chain(lists).chain(groups);
        rules.extend(all.map(|from| Rule { port, from }));
    }
    rules.sort();
    rules.dedup();
    rules
}
