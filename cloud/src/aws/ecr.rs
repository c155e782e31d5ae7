//! ECR: the repository, and the login to the registry.

use aws_sdk_ecr::types::{ImageIdentifier, ImageScanningConfiguration, ImageTagMutability, Tag};
use base64::Engine as _;
use serde_json::Value;

use super::{Aws, Creation, called, found};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{FoundResource, ResourceOwner};
use crate::registry::Login;
use crate::resource::{Repository, Resource};

/// The address and the password of the registry.
pub(crate) async fn login(ecr: &aws_sdk_ecr::Client) -> Result<Login, CloudError> {
    let output = called!("ecr:GetAuthorizationToken", ecr.get_authorization_token())?;
    let broken = |what: &str| {
        CloudError::new(CloudErrorKind::Failed, format!("ECR's login {what}"))
            .hint("this is not what ECR documents; run the command again")
    };
    let data = output.authorization_data().first();
    let data = data.ok_or_else(|| broken("is empty"))?;
    let endpoint = data
        .proxy_endpoint()
        .ok_or_else(|| broken("names no registry"))?;
    let token = data
        .authorization_token()
        .ok_or_else(|| broken("has no token"))?;
    let token = base64::engine::general_purpose::STANDARD.decode(token);
    let token = token.map_err(|error| broken("is not base64").because(error))?;
    let token = String::from_utf8(token).map_err(|error| broken("is no text").because(error))?;
    let (user, password) = token
        .split_once(':')
        .ok_or_else(|| broken("has no password"))?;
    Ok(Login {
        endpoint: endpoint.to_owned(),
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

impl Aws {
    pub(super) async fn read_repository(&self) -> Result<Option<FoundResource>, CloudError> {
        let name = self.names.repository();
        let ecr = &self.ecr;
        let call = ecr.describe_repositories().repository_names(&name);
        let output = found!(
            "ecr:DescribeRepositories",
            ["RepositoryNotFoundException"],
            call
        )?;
        let Some(repository) = output.and_then(|it| it.repositories.unwrap_or_default().pop())
        else {
            return Ok(None);
        };
        let arn = repository.repository_arn().unwrap_or_default().to_owned();
        let (tags, lifecycle) = tokio::join!(
            async {
                called!(
                    "ecr:ListTagsForResource",
                    ecr.list_tags_for_resource().resource_arn(&arn)
                )
            },
            async {
                let call = ecr.get_lifecycle_policy().repository_name(&name);
                found!(
                    "ecr:GetLifecyclePolicy",
                    ["LifecyclePolicyNotFoundException"],
                    call
                )
            }
        );
        let (tags, lifecycle) = (tags?, lifecycle?);
        let lifecycle = lifecycle
            .and_then(|it| it.lifecycle_policy_text)
            .map_or(Value::Null, |text| {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            });
        let scanning = repository.image_scanning_configuration();
        Ok(Some(FoundResource {
            owner: self.owner(tags.tags().iter().map(|tag| (tag.key(), tag.value()))),
            resource: Resource::Repository(Repository {
                name,
                immutable_tags: repository.image_tag_mutability()
                    == Some(&ImageTagMutability::Immutable),
                scan_on_push: scanning.is_some_and(ImageScanningConfiguration::scan_on_push),
                lifecycle,
            }),
            id: arn,
        }))
    }

    pub(super) async fn create_repository(
        &self,
        wanted: &Repository,
    ) -> Result<Creation, CloudError> {
        let scanning = ImageScanningConfiguration::builder().scan_on_push(wanted.scan_on_push);
        let mut call = self
            .ecr
            .create_repository()
            .repository_name(&wanted.name)
            .image_tag_mutability(mutability(wanted))
            .image_scanning_configuration(scanning.build());
        for (key, value) in self.tags() {
            let tag = Tag::builder().key(key).value(value).build();
            call = call.tags(tag.expect("key and value are set"));
        }
        let output = found!(
            "ecr:CreateRepository",
            ["RepositoryAlreadyExistsException"],
            call
        )?;
        let Some(output) = output else {
            return Ok(Creation::There);
        };
        self.set_lifecycle(wanted).await?;
        let arn = output.repository().and_then(|it| it.repository_arn());
        Ok(Creation::New(arn.unwrap_or_default().to_owned()))
    }

    pub(super) async fn change_repository(
        &self,
        wanted: &Repository,
        fields: &[&str],
    ) -> Result<(), CloudError> {
        if fields.contains(&"immutable_tags") {
            let call = self
                .ecr
                .put_image_tag_mutability()
                .repository_name(&wanted.name);
            let call = call.image_tag_mutability(mutability(wanted));
            called!("ecr:PutImageTagMutability", call)?;
        }
        if fields.contains(&"scan_on_push") {
            let scanning = ImageScanningConfiguration::builder().scan_on_push(wanted.scan_on_push);
            let call = self.ecr.put_image_scanning_configuration();
            let call = call.repository_name(&wanted.name);
            let call = call.image_scanning_configuration(scanning.build());
            called!("ecr:PutImageScanningConfiguration", call)?;
        }
        if fields.contains(&"lifecycle") {
            self.set_lifecycle(wanted).await?;
        }
        Ok(())
    }

    /// Deletes it with everything in it.
    pub(super) async fn delete_repository(&self, name: &str) -> Result<(), CloudError> {
        let call = self
            .ecr
            .delete_repository()
            .repository_name(name)
            .force(true);
        found!(
            "ecr:DeleteRepository",
            ["RepositoryNotFoundException"],
            call
        )
        .map(drop)
    }

    /// Deletes a tag and the image it names.
    pub(super) async fn delete_image(&self, tag: &str) -> Result<(), CloudError> {
        let id = ImageIdentifier::builder().image_tag(tag).build();
        let call = self.ecr.batch_delete_image();
        let call = call.repository_name(self.names.repository()).image_ids(id);
        let output = called!("ecr:BatchDeleteImage", call)?;
        let failures = output.failures().iter();
        let mut real = failures.filter(|failure| {
            failure.failure_code().map(|code| code.as_str()) != Some("ImageNotFound")
        });
        match real.next() {
            None => Ok(()),
            Some(failure) => {
                let why = failure.failure_reason().unwrap_or_default().to_owned();
                Err(
                    CloudError::new(CloudErrorKind::Failed, format!("ECR does not delete {tag}"))
                        .because(why)
                        .hint("run the command again"),
                )
            }
        }
    }

    /// Images and releases in the repository are its own.
    pub(super) fn inside(resource: Resource, id: &str) -> FoundResource {
        FoundResource {
            resource,
            id: id.to_owned(),
            owner: ResourceOwner::Ours,
        }
    }

    async fn set_lifecycle(&self, wanted: &Repository) -> Result<(), CloudError> {
        let call = self
            .ecr
            .put_lifecycle_policy()
            .repository_name(&wanted.name);
        let call = call.lifecycle_policy_text(wanted.lifecycle.to_string());
        called!("ecr:PutLifecyclePolicy", call).map(drop)
    }
}

fn mutability(wanted: &Repository) -> ImageTagMutability {
    if wanted.immutable_tags {
        ImageTagMutability::Immutable
    } else {
        ImageTagMutability::Mutable
    }
}
