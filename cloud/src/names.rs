//! The names of everything on AWS, within AWS's limits.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{CloudError, CloudErrorKind};

/// The tag that holds the project's name.
pub const PROJECT_TAG: &str = "fnlocal:project";
/// The tag that holds the environment's name.
pub const ENV_TAG: &str = "fnlocal:env";
/// The tag of an auto-scaling group that holds the release its nodes follow.
pub const RELEASE_TAG: &str = "fnlocal:release";

/// The maximum number of letters of a balancer's and a target group's name.
const BALANCER_LIMIT: usize = 32;
/// The maximum number of letters of a role's name, the smallest of all other limits.
const ROLE_LIMIT: usize = 64;
/// The maximum number of letters of the name of a schedule at EventBridge Scheduler.
const SCHEDULE_LIMIT: usize = 64;
/// The maximum number of letters of an image's tag.
const TAG_LIMIT: usize = 128;

/// Names of all that belongs to one environment of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceNames {
    project: String,
    env: String,
    stem: String,
}

impl ResourceNames {
    /// Names for the environment `env` of `project`.
    ///
    /// # Errors
    /// The names would be too long, or have no letter AWS accepts.
    pub fn new(project: &str, env: &str) -> Result<Self, CloudError> {
        for (what, name) in [("project", project), ("environment", env)] {
            if slug(name).is_empty() {
                return Err(CloudError::new(
                    CloudErrorKind::Config,
                    format!("the {what}'s name `{name}` has no letter AWS accepts"),
                )
                .hint("use letters, digits and hyphens"));
            }
        }
        let names = Self {
            project: project.to_owned(),
            env: env.to_owned(),
            stem: format!("fnlocal-{}-{}", slug(project), slug(env)),
        };
        let role = names.role();
        if role.len() > ROLE_LIMIT {
            let over = role.len() - ROLE_LIMIT;
            return Err(CloudError::new(
                CloudErrorKind::Config,
                format!(
                    "`{role}` is {over} letters too long for the name of an IAM role ({ROLE_LIMIT})"
                ),
            )
            .hint("shorten `name` in fnlocal.toml, or the environment's name"));
        }
        Ok(names)
    }

    /// The project's name, as in fnlocal.toml.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The environment's name, as in fnlocal.toml.
    #[must_use]
    pub fn env(&self) -> &str {
        &self.env
    }

    /// The one repository of images and releases.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("fnlocal/{}/{}", slug(&self.project), slug(&self.env))
    }

    /// The nodes' role and instance profile.
    #[must_use]
    pub fn role(&self) -> String {
        format!("{}-node", self.stem)
    }

    /// The role with which schedules of functions put messages into the queue.
    #[must_use]
    pub fn schedule_role(&self) -> String {
        format!("{}-cron", self.stem)
    }

    /// The queue of jobs.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("{}.fifo", self.stem)
    }

    /// The queue of jobs that were given up.
    #[must_use]
    pub fn dead_letter_queue(&self) -> String {
        format!("{}-dead.fifo", self.stem)
    }

    /// The group of functions' schedules.
    #[must_use]
    pub fn schedule_group(&self) -> String {
        self.stem.clone()
    }

    /// The schedule of a function.
    #[must_use]
    pub fn function_schedule(function: &str) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name: String = function
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .collect();
        if name == function && name.len() <= SCHEDULE_LIMIT {
            return name;
        }
        let hash = hex::encode(&Sha256::digest(function)[..4]);
        let kept = &name[..name.len().min(SCHEDULE_LIMIT - 9)];
        format!("{kept}-{hash}")
    }

    /// The nodes' security group.
    #[must_use]
    pub fn node_firewall(&self) -> String {
        format!("{}-node", self.stem)
    }

    /// The balancer's security group.
    #[must_use]
    pub fn balancer_firewall(&self) -> String {
        format!("{}-balancer", self.stem)
    }

    /// The launch template.
    #[must_use]
    pub fn template(&self) -> String {
        self.stem.clone()
    }

    /// The auto-scaling group.
    #[must_use]
    pub fn group(&self) -> String {
        self.stem.clone()
    }

    /// The balancer and its target group.
    #[must_use]
    pub fn balancer(&self) -> String {
        shortened(&self.stem, BALANCER_LIMIT)
    }

    /// Where SSM parameters of this environment begin.
    #[must_use]
    pub fn parameters(&self) -> String {
        format!("/{}", self.repository())
    }

    /// The parameter with the key by which nodes know each other.
    #[must_use]
    pub fn peer_key(&self) -> String {
        format!("{}/peer-key", self.parameters())
    }

    /// The log group of the nodes' records, which hold functions' logs.
    #[must_use]
    pub fn log_group(&self) -> String {
        format!("/{}", self.repository())
    }

    /// The tag of an image: what it is, and its digest in full, so that a list of tags says which
    /// images are there.
    #[must_use]
    pub fn image_tag(what: &str, digest: &str) -> String {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let room = TAG_LIMIT - 1 - hex.len().min(64);
        let mut what = slug(what);
        what.truncate(room);
        format!("{what}.{hex}")
    }

    /// The digest in a tag that [`ResourceNames::image_tag`] made.
    #[must_use]
    pub fn tagged_digest(tag: &str) -> Option<String> {
        let (_, hex) = tag.rsplit_once('.')?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| format!("sha256:{hex}"))
    }

    /// The tag of a numbered release.
    #[must_use]
    pub fn release_tag(number: u32) -> String {
        format!("r{number:06}")
    }

    /// The number in a tag that [`ResourceNames::release_tag`] made.
    #[must_use]
    pub fn release_number(tag: &str) -> Option<u32> {
        let digits = tag.strip_prefix('r')?;
        let is_number = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    }
}

/// Small letters, digits and single hyphens.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// The name itself, or its beginning and a hash of all of it.
fn shortened(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let hash = hex::encode(Sha256::digest(name));
    let kept = name[..limit - 9].trim_end_matches('-');
    format!("{kept}-{}", &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shortened_for_the_balancer_and_stays_different_from_others() {
        let one = ResourceNames::new("my-company-payments-backend", "production").unwrap();
        let other = ResourceNames::new("my-company-payments-backend", "preview").unwrap();
        assert_eq!(one.balancer().len(), 32);
        assert_ne!(one.balancer(), other.balancer());
        assert_eq!(
            one.group(),
            "fnlocal-my-company-payments-backend-production"
        );
    }

    #[test]
    fn a_name_aws_would_refuse_is_refused_before_anything_is_made() {
        let error = ResourceNames::new(&"a".repeat(60), "prod").unwrap_err();
        assert_eq!(error.kind, CloudErrorKind::Config);
        assert!(error.to_string().contains("too long"), "{error}");
        assert!(error.hint.is_some());
        assert!(ResourceNames::new("___", "prod").is_err());
    }

    #[test]
    fn tags_say_what_they_name() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let tag = ResourceNames::image_tag(&"Pack_age".repeat(20), &digest);
        assert!(tag.len() <= 128, "{tag}");
        assert_eq!(ResourceNames::tagged_digest(&tag), Some(digest));
        assert_eq!(
            ResourceNames::release_number(&ResourceNames::release_tag(1_234_567)),
            Some(1_234_567)
        );
        assert_eq!(ResourceNames::release_number("r12"), None);
        assert_eq!(ResourceNames::tagged_digest("r000001"), None);
    }
}
