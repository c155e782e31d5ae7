//! Checks of `[env.NAME]` that serde cannot make.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::config::EnvConfig;
use super::super::diagnostics::FileError;
use super::super::names;
use super::ConfigFile;

/// Days for which CloudWatch can keep logs.
const LOG_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

impl ConfigFile {
    pub(super) fn check_envs(&self) -> Result<(), FileError> {
        for (name, env) in &self.config.env {
            let checks = [
                check_nodes(env),
                check_place(env),
                check_front(env),
                check_kept(env),
            ];
            if let Some((key, what)) = checks.into_iter().find_map(Result::err) {
                return Err(self.error_at(&["env", name, key], format!("`{key}` {what}")));
            }
            self.check_variables(name, env)?;
        }
        Ok(())
    }

    /// The picture shows the head of the table only: what stands there may be a secret.
    fn check_variables(&self, name: &str, env: &EnvConfig) -> Result<(), FileError> {
        for (variable, source) in &env.variables {
            if !names::is_variable(variable) {
                let message = format!("`{variable}` cannot be a variable's name");
                return Err(self.error_at(&["env", name, "variables", variable], message));
            }
            let path = source.strip_prefix("ssm:").unwrap_or_default();
            if path.len() < 2 || !path.starts_with('/') {
                let message = format!(
                    "`{variable}` in `variables` must name a parameter, as in \"ssm:/path\""
                );
                let hint = "values do not belong into this file: put it into AWS Systems Manager with \
                            `aws ssm put-parameter --type SecureString`";
                let error = self.error_at(&["env", name], message);
                return Err(error.with_hint(Some(hint.to_owned())));
            }
        }
        Ok(())
    }
}

/// A key, and what is wrong with its value, if something is.
type EnvCheck = Result<(), (&'static str, String)>;

fn wrong(key: &'static str, what: &str) -> EnvCheck {
    Err((key, what.to_owned()))
}

fn check_nodes(env: &EnvConfig) -> EnvCheck {
    if env.nodes.is_some_and(|nodes| nodes.min > nodes.max) {
        return wrong("nodes", "must have a min that is not more than max");
    }
    let max = env.nodes.map_or(u32::MAX, |nodes| nodes.max);
    if let Some(prescale) = env.prescale.iter().find(|one| one.min > max) {
        let what = format!(
            "of `{}` asks for {} nodes, and `nodes` allows {max}",
            prescale.name, prescale.min
        );
        return wrong("prescale", &what);
    }
    Ok(())
}

fn check_place(env: &EnvConfig) -> EnvCheck {
    let is = |text: &str, kind: &str| {
        let id = text.strip_prefix(kind).unwrap_or_default();
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if env.vpc.as_deref().is_some_and(|vpc| !is(vpc, "vpc-")) {
        return wrong("vpc", "must be the id of a VPC, as in \"vpc-0a1b2c3d\"");
    }
    if let Some(bad) = env.subnets.iter().find(|subnet| !is(subnet, "subnet-")) {
        return wrong(
            "subnets",
            &format!("must be ids of subnets, and `{bad}` is none"),
        );
    }
    let different: BTreeSet<&String> = env.subnets.iter().collect();
    if !env.subnets.is_empty() && different.len() < 2 {
        return wrong("subnets", "must be two at least, in different zones");
    }
    Ok(())
}

fn check_front(env: &EnvConfig) -> EnvCheck {
    if let Some(arn) = env.certificate.as_deref() {
        let parts: Vec<&str> = arn.split(':').collect();
        let (is_one, place) = match parts.as_slice() {
            ["arn", _, "acm", place, _, name] => (name.starts_with("certificate/"), *place),
            ["arn", _, "iam", _, _, name] => (name.starts_with("server-certificate/"), ""),
            _ => (false, ""),
        };
        if !is_one {
            return wrong(
                "certificate",
                "must be the ARN of a certificate, as in \"arn:aws:acm:REGION:ACCOUNT:certificate/ID\"",
            );
        }
        if let Some(region) = env
            .region
            .as_deref()
            .filter(|it| !place.is_empty() && *it != place)
        {
            return wrong(
                "certificate",
                &format!("is in {place}, and `region` is {region}"),
            );
        }
    }
    let is_name = |name: &str| {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        name.contains('.') && name.split('.').all(part)
    };
    if env.domain.as_deref().is_some_and(|name| !is_name(name)) {
        return wrong("domain", "must be a host's name, as in \"api.example.org\"");
    }
    Ok(())
}

fn days_long(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 3600)
}

fn check_kept(env: &EnvConfig) -> EnvCheck {
    let kept = env.keep_logs.map(|span| span.0);
    if kept.is_some_and(|kept| !LOG_DAYS.iter().any(|days| kept == days_long(*days))) {
        let days: Vec<String> = LOG_DAYS.iter().map(u32::to_string).collect();
        let what = format!(
            "must be as many days as CloudWatch can keep logs: {}",
            days.join(", ")
        );
        return wrong("keep_logs", &what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fnlocal_api::UserError;

    use super::*;

    fn refused(text: &str) -> (String, Option<String>) {
        let text = format!("[env.prod]\n{text}\n");
        let error = ConfigFile::parse(Path::new("fnlocal.toml"), &text).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn an_invalid_environment_is_refused_with_the_file_and_the_reason() {
        for (text, said) in [
            ("vpc = \"default\"", "the id of a VPC"),
            ("subnets = [\"subnet-1\"]", "two at least"),
            ("subnets = [\"subnet-1\", \"b\"]", "`b` is none"),
            ("disk_gb = 4", "between 8 and 16384"),
            ("certificate = \"mine\"", "the ARN of a certificate"),
            (
                "region = \"eu-west-1\"\ncertificate = \"arn:aws:acm:us-east-1:1:certificate/x\"",
                "is in us-east-1, and `region` is eu-west-1",
            ),
            ("domain = \"https://x.org\"", "a host's name"),
            ("keep_releases = 0", "at least 1"),
            ("keep_logs = \"31d\"", "30, 60, 90"),
            ("logs = \"on\"", "`on` is not one of the choices"),
            ("nodes = { min = 3, max = 2 }", "not more than max"),
        ] {
            let (error, _) = refused(text);
            assert!(error.contains(said), "{text}: {error}");
            assert!(error.contains("fnlocal.toml"), "{error}");
        }
    }

    #[test]
    fn a_secret_value_in_fnlocal_toml_is_refused_and_not_shown() {
        let (error, hint) = refused("[env.prod.variables]\nKEY = \"hunter2\"");
        assert!(
            error.contains("`KEY`") && !error.contains("hunter2"),
            "{error}"
        );
        assert!(hint.unwrap().contains("put-parameter"));
    }

    #[test]
    fn a_valid_environment_is_parsed() {
        let text = "[env.prod]\nvpc = \"vpc-0a1b\"\nlogs = \"off\"\ndisk_gb = 50\n\
                    variables = { KEY = \"ssm:/shared/key\" }\n";
        let file = ConfigFile::parse(Path::new("fnlocal.toml"), text).unwrap();
        let env = &file.config.env["prod"];
        assert_eq!(env.logs, Some(crate::LogsChoice::Off));
        assert_eq!(env.variables["KEY"], "ssm:/shared/key");
    }
}
