//! Auto Scaling: replacing nodes one after the other.

use aws_sdk_autoscaling::types::{
    DesiredConfiguration, InstanceRefreshStatus, LaunchTemplateSpecification, RefreshPreferences,
};

use super::template::Version;
use super::{Aws, Ids, called, found};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::Refresh;
use crate::resource::Nodes;

impl Aws {
    /// The replacement that is under way.
    pub(super) async fn read_refresh(
        &self,
        versions: &[Version],
    ) -> Result<Option<Refresh>, CloudError> {
        let call = self.autoscaling.describe_instance_refreshes();
        let call = call
            .auto_scaling_group_name(self.names.group())
            .max_records(1);
        let output = found!(
            "autoscaling:DescribeInstanceRefreshes",
            ["ValidationError"],
            call
        )?;
        let newest = output.and_then(|output| output.instance_refreshes?.into_iter().next());
        let Some(refresh) = newest.filter(|newest| is_under_way(newest.status())) else {
            return Ok(None);
        };
        let aim = refresh
            .desired_configuration()
            .and_then(|it| it.launch_template());
        let number = aim.and_then(LaunchTemplateSpecification::version);
        let mut versions = versions.iter();
        let version = versions.find(|version| Some(version.number.as_str()) == number);
        Ok(Some(Refresh {
            id: refresh.instance_refresh_id().unwrap_or_default().to_owned(),
            template: version.map(|version| version.template.fingerprint()),
            percent: u32::try_from(refresh.percentage_complete().unwrap_or(0)).unwrap_or(0),
        }))
    }

    /// Replaces nodes by such as the template with this content says, and waits for it. One that is
    /// under way is waited for; if it had another aim, the next promote sees that.
    pub(super) async fn replace_nodes(
        &self,
        wanted: &Nodes,
        ids: &Ids,
        percent: impl Fn(u32),
    ) -> Result<(), CloudError> {
        let (template, version) = self.version_number(&wanted.template, ids).await?;
        let template = LaunchTemplateSpecification::builder()
            .launch_template_id(template)
            .version(version)
            .build();
        let call = self
            .autoscaling
            .start_instance_refresh()
            .auto_scaling_group_name(&wanted.name)
            .desired_configuration(
                DesiredConfiguration::builder()
                    .launch_template(template)
                    .build(),
            )
            .preferences(
                RefreshPreferences::builder()
                    .min_healthy_percentage(100)
                    .max_healthy_percentage(150)
                    .auto_rollback(true)
                    .skip_matching(true)
                    .build(),
            );
        found!(
            "autoscaling:StartInstanceRefresh",
            ["InstanceRefreshInProgress"],
            call
        )?;
        for _ in 0..self.pace.looks {
            let call = self.autoscaling.describe_instance_refreshes();
            let call = call.auto_scaling_group_name(&wanted.name).max_records(1);
            let output = called!("autoscaling:DescribeInstanceRefreshes", call)?;
            let Some(newest) = output.instance_refreshes().first() else {
                break;
            };
            percent(u32::try_from(newest.percentage_complete().unwrap_or(0)).unwrap_or(0));
            match newest.status() {
                Some(InstanceRefreshStatus::Successful) => return Ok(()),
                status if is_under_way(status) => {}
                status => {
                    let status = status.map_or("lost", InstanceRefreshStatus::as_str);
                    let why = newest
                        .status_reason()
                        .unwrap_or("AWS gives no reason")
                        .to_owned();
                    return Err(CloudError::new(
                        CloudErrorKind::Failed,
                        format!("replacing the nodes ended as {status}"),
                    )
                    .because(why)
                    .hint(
                        "the old nodes go on; look at the new one's system log, then promote again",
                    ));
                }
            }
            tokio::time::sleep(self.pace.poll).await;
        }
        Err(
            CloudError::new(CloudErrorKind::TryAgain, "nodes are still being replaced")
                .hint("run the command again: it goes on waiting"),
        )
    }
}

fn is_under_way(status: Option<&InstanceRefreshStatus>) -> bool {
    use InstanceRefreshStatus as Status;
    matches!(
        status,
        Some(
            Status::Pending
                | Status::InProgress
                | Status::Cancelling
                | Status::RollbackInProgress
                | Status::Baking
        )
    )
}
