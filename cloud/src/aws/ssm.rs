//! SSM: the key by which nodes know each other, and the newest machine image.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType, ResourceTypeForTagging, Tag};
use rand::Rng as _;

use super::{Aws, Creation, called, found};
use crate::environment::CloudEnvironment;
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::FoundResource;
use crate::resource::{PeerKey, Resource};

/// Parameters that one call can ask for.
const AT_ONCE: usize = 50;

impl Aws {
    /// Checks that the parameters variables come from are there; their values are not read.
    /// `sources` are the parameters by the variable's name.
    ///
    /// # Errors
    /// One is missing, or AWS does not say.
    pub(crate) async fn check_values(
        &self,
        env: &CloudEnvironment,
        sources: &BTreeMap<String, String>,
    ) -> Result<(), CloudError> {
        let wanted: BTreeSet<&String> = sources.values().collect();
        let wanted: Vec<&String> = wanted.into_iter().collect();
        let mut there = BTreeSet::new();
        for some in wanted.chunks(AT_ONCE) {
            self.add_parameters(some, &mut there).await?;
        }
        let Some((name, parameter)) = sources.iter().find(|(_, it)| !there.contains(*it)) else {
            return Ok(());
        };
        let region = &self.place.region;
        Err(CloudError::new(
            CloudErrorKind::Config,
            format!("`{name}` has no value: {region} has no SSM parameter `{parameter}`"),
        )
        .hint(format!(
            "make it with `aws ssm put-parameter --region {region} --type SecureString --name {parameter} \
             --value …`, or name another in [env.{}.variables]",
            env.name
        )))
    }

    async fn add_parameters(
        &self,
        wanted: &[&String],
        there: &mut BTreeSet<String>,
    ) -> Result<(), CloudError> {
        let names = ParameterStringFilter::builder()
            .key("Name")
            .option("Equals")
            .set_values(Some(wanted.iter().map(|name| (*name).clone()).collect()))
            .build()
            .expect("the key is set");
        let mut token = None;
        loop {
            let call = self.ssm.describe_parameters();
            let call = call.parameter_filters(names.clone()).set_next_token(token);
            let output = called!("ssm:DescribeParameters", call)?;
            let found = output.parameters().iter();
            there.extend(found.filter_map(|it| it.name().map(str::to_owned)));
            token = output.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
    }

    pub(super) async fn read_peer_key(&self) -> Result<Option<FoundResource>, CloudError> {
        let name = self.names.peer_key();
        // Its tags say whether it is there; its value is none of our business.
        let call = self.ssm.list_tags_for_resource();
        let call = call
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(&name);
        let output = found!("ssm:ListTagsForResource", ["InvalidResourceId"], call)?;
        let found = output.map(|output| FoundResource {
            owner: self.owner(output.tag_list().iter().map(|tag| (tag.key(), tag.value()))),
            id: name.clone(),
            resource: Resource::PeerKey(PeerKey { name }),
        });
        Ok(found)
    }

    pub(super) async fn create_peer_key(&self, wanted: &PeerKey) -> Result<Creation, CloudError> {
        let mut key = [0_u8; 32];
        rand::rng().fill_bytes(&mut key);
        let mut call = self
            .ssm
            .put_parameter()
            .name(&wanted.name)
            .description("by this nodes of fnlocal know each other")
            .r#type(ParameterType::SecureString)
            .value(hex::encode(key));
        for (key, value) in self.tags() {
            let tag = Tag::builder().key(key).value(value).build();
            call = call.tags(tag.expect("key and value are set"));
        }
        let made = found!("ssm:PutParameter", ["ParameterAlreadyExists"], call)?;
        Ok(made.map_or(Creation::There, |_| Creation::New(wanted.name.clone())))
    }

    pub(super) async fn delete_peer_key(&self, name: &str) -> Result<(), CloudError> {
        let call = self.ssm.delete_parameter().name(name);
        found!("ssm:DeleteParameter", ["ParameterNotFound"], call).map(drop)
    }

    /// The newest machine image of Amazon Linux 2023 for a processor as images call it.
    pub(super) async fn machine_image(
        &self,
        processor: &str,
    ) -> Result<Option<String>, CloudError> {
        let processor = if processor == "amd64" {
            "x86_64"
        } else {
            processor
        };
        let name =
            format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{processor}");
        let call = self.ssm.get_parameter().name(name);
        let output = found!("ssm:GetParameter", ["ParameterNotFound"], call)?;
        Ok(output.and_then(|output| output.parameter?.value))
    }
}
