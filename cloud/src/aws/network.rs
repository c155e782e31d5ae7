//! EC2: what is not ours, but needed.

use aws_sdk_ec2::types::{Filter, InstanceType as Ec2Type, LocationType};

use super::{Aws, called, found};
use crate::environment::CloudEnvironment;
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{InstanceType, Subnet, Surroundings};

impl Aws {
    pub(super) async fn surroundings(
        &self,
        env: &CloudEnvironment,
    ) -> Result<Surroundings, CloudError> {
        let (network, instance_type) =
            tokio::join!(self.network(env), self.instance_type(&env.instance_type));
        let ((vpc, subnets), instance_type) = (network?, instance_type?);
        let machine_image = match &instance_type {
            Some(kind) => self.machine_image(&kind.architecture).await?,
            None => None,
        };
        Ok(Surroundings {
            vpc,
            subnets,
            instance_type,
            machine_image,
        })
    }

    /// The named subnets and their network, or the named or the default network and its subnets.
    async fn network(
        &self,
        env: &CloudEnvironment,
    ) -> Result<(Option<String>, Vec<Subnet>), CloudError> {
        if !env.subnets.is_empty() {
            let call = self.ec2.describe_subnets();
            let call = call.set_subnet_ids(Some(env.subnets.clone()));
            let output = called!("ec2:DescribeSubnets", call)?;
            let subnets = plain(output.subnets());
            let first = subnets.first().map(|subnet| subnet.vpc.clone());
            return Ok((env.vpc.clone().or(first), subnets));
        }
        if let Some(vpc) = &env.vpc {
            // A balancer for everybody, and nodes that reach the registry, need public addresses.
            let subnets = self.subnets_of(vpc, "map-public-ip-on-launch").await?;
            return Ok((Some(vpc.clone()), subnets));
        }
        let call = self
            .ec2
            .describe_vpcs()
            .filters(filter("is-default", "true"));
        let output = called!("ec2:DescribeVpcs", call)?;
        let Some(vpc) = output.vpcs().first().and_then(|vpc| vpc.vpc_id()) else {
            return Ok((None, Vec::new()));
        };
        let subnets = self.subnets_of(vpc, "default-for-az").await?;
        Ok((Some(vpc.to_owned()), subnets))
    }

    /// Subnets of a network for which something is true.
    async fn subnets_of(&self, vpc: &str, is: &str) -> Result<Vec<Subnet>, CloudError> {
        let call = self.ec2.describe_subnets();
        let call = call
            .filters(filter("vpc-id", vpc))
            .filters(filter(is, "true"));
        let output = called!("ec2:DescribeSubnets", call)?;
        Ok(plain(output.subnets()))
    }

    async fn instance_type(&self, name: &str) -> Result<Option<InstanceType>, CloudError> {
        let kind = Ec2Type::from(name);
        let (types, offerings) = tokio::join!(
            async {
                let call = self.ec2.describe_instance_types().instance_types(kind);
                found!(
                    "ec2:DescribeInstanceTypes",
                    ["InvalidInstanceType", "InvalidParameterValue"],
                    call
                )
            },
            async {
                let call = self.ec2.describe_instance_type_offerings();
                let call = call.location_type(LocationType::AvailabilityZone);
                let call = call.filters(filter("instance-type", name));
                called!("ec2:DescribeInstanceTypeOfferings", call)
            }
        );
        let (types, offerings) = (types?, offerings?);
        let Some(found) = types.and_then(|types| types.instance_types.unwrap_or_default().pop())
        else {
            return Ok(None);
        };
        let processors = found
            .processor_info()
            .map(|info| info.supported_architectures());
        let mut processors = processors.unwrap_or_default().iter().map(|it| it.as_str());
        let architecture = processors.find_map(|processor| match processor {
            "x86_64" => Some("amd64"),
            "arm64" => Some("arm64"),
            _ => None,
        });
        let Some(architecture) = architecture else {
            return Err(CloudError::new(
                CloudErrorKind::Config,
                format!("`{name}` has a processor images cannot be built for"),
            )
            .hint("name another `instance_type`"));
        };
        let zones = offerings.instance_type_offerings().iter();
        let mut zones: Vec<String> = zones.filter_map(|it| it.location.clone()).collect();
        zones.sort();
        let memory = found.memory_info().and_then(|memory| memory.size_in_mib());
        Ok(Some(InstanceType {
            name: name.to_owned(),
            architecture: architecture.to_owned(),
            memory_mib: memory.and_then(|mib| u64::try_from(mib).ok()).unwrap_or(0),
            zones,
        }))
    }
}

/// A filter of EC2's describe calls.
pub(super) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn plain(subnets: &[aws_sdk_ec2::types::Subnet]) -> Vec<Subnet> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let mut subnets: Vec<Subnet> = subnets
        .iter()
        .map(|subnet| Subnet {
            id: text(subnet.subnet_id()),
            zone: text(subnet.availability_zone()),
            vpc: text(subnet.vpc_id()),
        })
        .collect();
    subnets.sort_by(|one, other| one.id.cmp(&other.id));
    subnets
}
