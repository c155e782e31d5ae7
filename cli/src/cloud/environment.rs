//! From `[env.NAME]` of fnlocal.toml to what the cloud is asked for.

use fnlocal_cloud::environment::{CloudEnvironment, PrescaleAction, ScalingTarget};

use crate::error::CliError;
use fnlocal_project::{EnvConfig, LogsChoice, Project, ScaleOnConfig, TimeSpan, suggest};

/// The environment of this name; the only one when none is named.
pub fn choose(project: &Project, named: Option<&str>) -> Result<CloudEnvironment, CliError> {
    let all = &project.config().env;
    let known: Vec<&str> = all.keys().map(String::as_str).collect();
    let name = match (named, known.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, []) => return Err(none(project, "prod")),
        (None, _) => {
            return Err(CliError::usage(
                "fnlocal.toml has more than one environment",
                format!("choose one with --env: {}", known.join(", ")),
            ));
        }
    };
    match all.get(name) {
        Some(config) => Ok(environment(name, config)),
        None if known.is_empty() => Err(none(project, name)),
        None => Err(CliError::config(
            format!("fnlocal.toml has no environment `{name}`"),
            suggest(name, &known),
        )),
    }
}

/// Nothing costs money that nobody has written down.
fn none(project: &Project, name: &str) -> CliError {
    let file = project.root.join(fnlocal_project::CONFIG_FILE);
    CliError::config(
        format!("there is no environment `{name}` to promote to"),
        format!(
            "write into {}\n\n    [env.{name}]\n    region = \"eu-west-1\"\n    nodes = {{ min = 2, max = 10 }}",
            file.display()
        ),
    )
}

/// Whole seconds, as AWS takes them.
fn seconds(span: TimeSpan) -> u32 {
    u32::try_from(span.0.as_secs()).unwrap_or(u32::MAX)
}

/// Whole days; the file's check lets no others through.
fn days(span: TimeSpan) -> u32 {
    u32::try_from(span.0.as_secs() / (24 * 3600)).unwrap_or(u32::MAX)
}

fn environment(name: &str, config: &EnvConfig) -> CloudEnvironment {
    let usual = CloudEnvironment::new(name);
    let (min, max) = config
        .nodes
        .map_or((usual.min, usual.max), |nodes| (nodes.min, nodes.max));
    let scale_on = config.scale_on.map(|scale_on| match scale_on {
        ScaleOnConfig::RequestsPerNode(target) => ScalingTarget::RequestsPerNode(target),
        ScaleOnConfig::MemoryPercent(target) => ScalingTarget::MemoryPercent(target),
    });
    let prescale = config.prescale.iter().map(|one| PrescaleAction {
        name: one.name.clone(),
        cron: one.cron.clone(),
        timezone: one.timezone.clone(),
        min: one.min,
    });
    CloudEnvironment {
        name: name.to_owned(),
        region: config.region.clone(),
        account: config.account.clone(),
        instance_type: config.instance_type.clone().unwrap_or(usual.instance_type),
        min,
        max,
        scale_on: scale_on.or(usual.scale_on),
        prescale: prescale.collect(),
        certificate: config.certificate.clone(),
        domain: config.domain.clone(),
        vpc: config.vpc.clone(),
        subnets: config.subnets.clone(),
        disk_gb: config.disk_gb.unwrap_or(usual.disk_gb),
        variables: config.variables.clone(),
        logs: config
            .logs
            .map_or(usual.logs, |choice| choice == LogsChoice::Cloudwatch),
        log_days: config.keep_logs.map_or(usual.log_days, days),
        warm_pool: config.warm_pool.unwrap_or(usual.warm_pool),
        warm_up: config.warm_up.map_or(usual.warm_up, seconds),
        keep_releases: config.keep_releases.unwrap_or(usual.keep_releases),
        // Nodes do not lease from SQS yet.
        durable: usual.durable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_environment_defaults_are_those_in_use() {
        let described = fnlocal_project::described_defaults("EnvConfig");
        let described: EnvConfig = serde_json::from_value(described).unwrap();
        assert_eq!(
            environment("prod", &described),
            environment("prod", &EnvConfig::default())
        );
    }
}
