//! EC2: the launch template and its versions.

use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateVersion, RequestLaunchTemplateData,
    ResourceType, ResponseLaunchTemplateData,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::network::filter;
use super::{Aws, Creation, Ids, called, found, settled};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::FoundResource;
use crate::resource::{LaunchTemplate, Resource, ResourceKind};

/// The disk of Amazon Linux.
const DISK: &str = "/dev/xvda";

/// A version of the template: its number and what it says.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub number: String,
    pub template: LaunchTemplate,
}

impl Aws {
    /// The template in its latest version, and all versions.
    pub(super) async fn read_template(
        &self,
        ids: &Ids,
    ) -> Result<(Option<FoundResource>, Vec<Version>), CloudError> {
        let name = self.names.template();
        let call = self.ec2.describe_launch_templates();
        let call = call.filters(filter("launch-template-name", &name));
        let output = called!("ec2:DescribeLaunchTemplates", call)?;
        let Some(found) = output.launch_templates().first() else {
            return Ok((None, Vec::new()));
        };
        let id = found.launch_template_id().unwrap_or_default().to_owned();
        let versions = self.versions(&id, ids).await?;
        let latest = versions.last().map(|version| version.template.clone());
        let found = latest.map(|latest| FoundResource {
            owner: self.ec2_owner(found.tags()),
            id,
            resource: Resource::Template(latest),
        });
        Ok((found, versions))
    }

    pub(super) async fn create_template(
        &self,
        wanted: &LaunchTemplate,
        ids: &Ids,
    ) -> Result<Creation, CloudError> {
        let call = self
            .ec2
            .create_launch_template()
            .launch_template_name(&wanted.name)
            .version_description(wanted.fingerprint())
            .launch_template_data(data(wanted, ids)?)
            .tag_specifications(self.ec2_tags(ResourceType::LaunchTemplate));
        let output = found!(
            "ec2:CreateLaunchTemplate",
            ["InvalidLaunchTemplateName.AlreadyExistsException"],
            call
        )?;
        let template = output.and_then(|output| output.launch_template);
        let id = template.and_then(|template| template.launch_template_id);
        Ok(id.map_or(Creation::There, Creation::New))
    }

    /// Adds a version; those before stay, so that nodes can be rolled back.
    pub(super) async fn change_template(
        &self,
        id: &str,
        wanted: &LaunchTemplate,
        ids: &Ids,
    ) -> Result<(), CloudError> {
        let call = self
            .ec2
            .create_launch_template_version()
            .launch_template_id(id)
            .version_description(wanted.fingerprint())
            .launch_template_data(data(wanted, ids)?);
        called!("ec2:CreateLaunchTemplateVersion", call).map(drop)
    }

    pub(super) async fn delete_template(&self, id: &str) -> Result<(), CloudError> {
        let call = self.ec2.delete_launch_template().launch_template_id(id);
        found!(
            "ec2:DeleteLaunchTemplate",
            [
                "InvalidLaunchTemplateId.NotFound",
                "InvalidLaunchTemplateId.NotFoundException"
            ],
            call
        )
        .map(drop)
    }

    /// The number of the version that says what has this fingerprint.
    pub(super) async fn version_number(
        &self,
        fingerprint: &str,
        ids: &Ids,
    ) -> Result<(String, String), CloudError> {
        let id = ids.get(ResourceKind::Template, &self.names.template())?;
        let versions = self.versions(id, ids).await?;
        let mut versions = versions.into_iter().rev();
        let version = versions.find(|version| version.template.fingerprint() == fingerprint);
        let version = version.ok_or_else(|| {
            CloudError::new(
                CloudErrorKind::TryAgain,
                "the launch template has been changed meanwhile",
            )
            .hint("run the command again: it makes a new plan")
        })?;
        Ok((id.to_owned(), version.number))
    }

    async fn versions(&self, id: &str, ids: &Ids) -> Result<Vec<Version>, CloudError> {
        let mut versions = Vec::new();
        let mut token = None;
        loop {
            let call = self
                .ec2
                .describe_launch_template_versions()
                .launch_template_id(id);
            let call = call.set_next_token(token);
            let output = settled!(
                self,
                "ec2:DescribeLaunchTemplateVersions",
                ["InvalidLaunchTemplateId.NotFound"],
                call
            )?;
            let name = self.names.template();
            let found = output.launch_template_versions().iter();
            versions
                .extend(found.map(|version| (version.version_number(), read(&name, version, ids))));
            token = output.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        versions.sort_by_key(|(number, _)| *number);
        let versions = versions.into_iter().map(|(number, template)| Version {
            number: number.unwrap_or_default().to_string(),
            template,
        });
        Ok(versions.collect())
    }
}

fn data(wanted: &LaunchTemplate, ids: &Ids) -> Result<RequestLaunchTemplateData, CloudError> {
    let disk = LaunchTemplateEbsBlockDeviceRequest::builder()
        .encrypted(true)
        .delete_on_termination(true)
        .volume_type(aws_sdk_ec2::types::VolumeType::Gp3)
        .volume_size(i32::try_from(wanted.disk_gb).unwrap_or(i32::MAX))
        .build();
    let disk = LaunchTemplateBlockDeviceMappingRequest::builder()
        .device_name(DISK)
        .ebs(disk);
    let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder();
    let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_tokens(LaunchTemplateHttpTokensState::Required)
        .http_put_response_hop_limit(1);
    let mut data = RequestLaunchTemplateData::builder()
        .image_id(&wanted.image)
        .instance_type(InstanceType::from(wanted.instance_type.as_str()))
        .iam_instance_profile(profile.name(&wanted.profile).build())
        .block_device_mappings(disk.build())
        .metadata_options(metadata.build())
        .user_data(BASE64.encode(&wanted.user_data));
    for firewall in &wanted.firewalls {
        data = data.security_group_ids(ids.get(ResourceKind::SecurityGroup, firewall)?);
    }
    Ok(data.build())
}

fn read(name: &str, version: &LaunchTemplateVersion, ids: &Ids) -> LaunchTemplate {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let empty = ResponseLaunchTemplateData::builder().build();
    let data = version.launch_template_data().unwrap_or(&empty);
    let ebs = data
        .block_device_mappings()
        .iter()
        .find_map(|disk| disk.ebs());
    let encrypted = ebs.and_then(|ebs| ebs.encrypted()) == Some(true);
    let size = ebs.and_then(|ebs| ebs.volume_size()).filter(|_| encrypted);
    let metadata = data.metadata_options();
    let decoded = data.user_data().and_then(|text| BASE64.decode(text).ok());
    LaunchTemplate {
        name: name.to_owned(),
        image: text(data.image_id()),
        instance_type: text(data.instance_type().map(InstanceType::as_str)),
        profile: text(
            data.iam_instance_profile()
                .and_then(|profile| profile.name()),
        ),
        firewalls: data
            .security_group_ids()
            .iter()
            .map(|id| ids.name_of(ResourceKind::SecurityGroup, id))
            .collect(),
        disk_gb: size.and_then(|size| u32::try_from(size).ok()).unwrap_or(0),
        metadata_guarded: metadata.is_some_and(|metadata| {
            metadata.http_tokens() == Some(&LaunchTemplateHttpTokensState::Required)
                && metadata.http_put_response_hop_limit() == Some(1)
        }),
        user_data: String::from_utf8_lossy(&decoded.unwrap_or_default()).into_owned(),
    }
}
