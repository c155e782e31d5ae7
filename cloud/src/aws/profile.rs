//! IAM: the instance profile, which gives the role to machines.

use super::role::iam_tag;
use super::{Aws, Creation, found, settled};
use crate::error::CloudError;
use crate::inventory::FoundResource;
use crate::resource::{InstanceProfile, Resource};

impl Aws {
    pub(super) async fn read_profile(&self) -> Result<Option<FoundResource>, CloudError> {
        let name = self.names.role(&self.place.region);
        let call = self.iam.get_instance_profile().instance_profile_name(&name);
        let output = found!("iam:GetInstanceProfile", ["NoSuchEntity"], call)?;
        let Some(profile) = output.and_then(|output| output.instance_profile) else {
            return Ok(None);
        };
        Ok(Some(FoundResource {
            owner: self.owner(profile.tags().iter().map(|tag| (tag.key(), tag.value()))),
            id: profile.arn().to_owned(),
            resource: Resource::Profile(InstanceProfile {
                name,
                role: profile
                    .roles()
                    .first()
                    .map(|role| role.role_name().to_owned()),
            }),
        }))
    }

    pub(super) async fn create_profile(
        &self,
        wanted: &InstanceProfile,
    ) -> Result<Creation, CloudError> {
        let mut call = self
            .iam
            .create_instance_profile()
            .instance_profile_name(&wanted.name);
        for (key, value) in self.tags() {
            call = call.tags(iam_tag(key, &value));
        }
        let Some(output) = found!("iam:CreateInstanceProfile", ["EntityAlreadyExists"], call)?
        else {
            return Ok(Creation::There);
        };
        self.add_role(wanted).await?;
        let arn = output.instance_profile().map(|profile| profile.arn());
        Ok(Creation::New(arn.unwrap_or_default().to_owned()))
    }

    /// Puts the wanted role in, in place of another.
    pub(super) async fn change_profile(
        &self,
        wanted: &InstanceProfile,
        from: Option<&str>,
    ) -> Result<(), CloudError> {
        if let Some(role) = from {
            self.remove_role(&wanted.name, role).await?;
        }
        self.add_role(wanted).await
    }

    pub(super) async fn delete_profile(&self, profile: &InstanceProfile) -> Result<(), CloudError> {
        if let Some(role) = &profile.role {
            self.remove_role(&profile.name, role).await?;
        }
        let call = self
            .iam
            .delete_instance_profile()
            .instance_profile_name(&profile.name);
        found!("iam:DeleteInstanceProfile", ["NoSuchEntity"], call).map(drop)
    }

    async fn add_role(&self, wanted: &InstanceProfile) -> Result<(), CloudError> {
        let Some(role) = &wanted.role else {
            return Ok(());
        };
        let call = self.iam.add_role_to_instance_profile();
        let call = call.instance_profile_name(&wanted.name).role_name(role);
        let added = settled!(self, "iam:AddRoleToInstanceProfile", ["NoSuchEntity"], call);
        let Err(error) = added else { return Ok(()) };
        // A profile holds one role, and a lost answer may have put it there.
        let found = self.read_profile().await?;
        let is_there =
            found.is_some_and(|found| found.resource == Resource::Profile(wanted.clone()));
        if is_there { Ok(()) } else { Err(error) }
    }

    async fn remove_role(&self, profile: &str, role: &str) -> Result<(), CloudError> {
        let call = self.iam.remove_role_from_instance_profile();
        let call = call.instance_profile_name(profile).role_name(role);
        found!("iam:RemoveRoleFromInstanceProfile", ["NoSuchEntity"], call).map(drop)
    }
}
