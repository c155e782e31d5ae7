//! IAM: the roles of nodes and of schedules.

use aws_sdk_iam::types::Tag;
use serde_json::Value;

use super::{Aws, Creation, called, found, settled};
use crate::error::CloudError;
use crate::inventory::FoundResource;
use crate::resource::{IamRole, Resource};

/// The name of the one policy inside a role.
const POLICY: &str = "fnlocal-node";

impl Aws {
    pub(super) async fn read_roles(&self) -> Result<Vec<FoundResource>, CloudError> {
        let region = &self.place.region;
        let (node, schedules) = tokio::join!(
            self.read_role(self.names.role(region)),
            self.read_role(self.names.schedule_role(region))
        );
        Ok(node?.into_iter().chain(schedules?).collect())
    }

    async fn read_role(&self, name: String) -> Result<Option<FoundResource>, CloudError> {
        let (role, policy) = tokio::join!(
            async {
                found!(
                    "iam:GetRole",
                    ["NoSuchEntity"],
                    self.iam.get_role().role_name(&name)
                )
            },
            async {
                let call = self
                    .iam
                    .get_role_policy()
                    .role_name(&name)
                    .policy_name(POLICY);
                found!("iam:GetRolePolicy", ["NoSuchEntity"], call)
            }
        );
        let (role, policy) = (role?.and_then(|output| output.role), policy?);
        let Some(role) = role else { return Ok(None) };
        Ok(Some(FoundResource {
            owner: self.owner(role.tags().iter().map(|tag| (tag.key(), tag.value()))),
            id: role.arn().to_owned(),
            resource: Resource::Role(IamRole {
                name,
                trust: document(role.assume_role_policy_document()),
                policy: document(policy.as_ref().map(|policy| policy.policy_document())),
            }),
        }))
    }

    pub(super) async fn create_role(&self, wanted: &IamRole) -> Result<Creation, CloudError> {
        let mut call = self
            .iam
            .create_role()
            .role_name(&wanted.name)
            .description("fnlocal")
            .assume_role_policy_document(wanted.trust.to_string());
        for (key, value) in self.tags() {
            call = call.tags(iam_tag(key, &value));
        }
        let Some(output) = found!("iam:CreateRole", ["EntityAlreadyExists"], call)? else {
            return Ok(Creation::There);
        };
        self.set_role_policy(wanted).await?;
        let arn = output.role().map(|role| role.arn());
        Ok(Creation::New(arn.unwrap_or_default().to_owned()))
    }

    pub(super) async fn change_role(
        &self,
        wanted: &IamRole,
        fields: &[&str],
    ) -> Result<(), CloudError> {
        if fields.contains(&"trust") {
            let call = self.iam.update_assume_role_policy().role_name(&wanted.name);
            let call = call.policy_document(wanted.trust.to_string());
            called!("iam:UpdateAssumeRolePolicy", call)?;
        }
        if fields.contains(&"policy") {
            self.set_role_policy(wanted).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_role(&self, name: &str) -> Result<(), CloudError> {
        let call = self
            .iam
            .delete_role_policy()
            .role_name(name)
            .policy_name(POLICY);
        found!("iam:DeleteRolePolicy", ["NoSuchEntity"], call)?;
        let call = self.iam.delete_role().role_name(name);
        found!("iam:DeleteRole", ["NoSuchEntity"], call).map(drop)
    }

    async fn set_role_policy(&self, wanted: &IamRole) -> Result<(), CloudError> {
        let call = self
            .iam
            .put_role_policy()
            .role_name(&wanted.name)
            .policy_name(POLICY);
        let call = call.policy_document(wanted.policy.to_string());
        settled!(self, "iam:PutRolePolicy", ["NoSuchEntity"], call).map(drop)
    }
}

/// A tag of IAM.
pub(super) fn iam_tag(key: &str, value: &str) -> Tag {
    let tag = Tag::builder().key(key).value(value).build();
    tag.expect("key and value are set")
}

/// A policy as IAM returns it: JSON with percent signs.
fn document(text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    serde_json::from_str(&decoded).unwrap_or_else(|_| Value::String(decoded.into_owned()))
}
