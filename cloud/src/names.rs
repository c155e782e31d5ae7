//! The names of everything on AWS, within AWS's limits.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{CloudError, CloudErrorKind};

/// The tag that holds the project's name.
pub const PROJECT_TAG: &str = "fnlocal:project";
/// The tag that holds the environment's name.
pub const ENV_TAG: &str = "fnlocal:env";
/// The tag that holds the region: IAM knows none.
pub const REGION_TAG: &str = "fnlocal:region";
/// The tag of an auto-scaling group that holds the release its nodes follow.
pub const RELEASE_TAG: &str = "fnlocal:release";

/// The maximum number of letters of a balancer's and a target group's name.
const BALANCER_LIMIT: usize = 32;
/// The maximum number of letters of a role's name.
const ROLE_LIMIT: usize = 64;
/// The maximum number of letters of what other names begin with: a launch template's may have 128.
const STEM_LIMIT: usize = 100;
/// The maximum number of letters of a queue's name, without what is added: SQS has 80 for the whole.
const QUEUE_LIMIT: usize = 70;
/// The maximum number of letters of the name of a schedule, and of a group, at EventBridge Scheduler.
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
    /// A name has no letter AWS accepts.
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
        let stem = format!("fnlocal-{}-{}", slug(project), slug(env));
        Ok(Self {
            project: project.to_owned(),
            env: env.to_owned(),
            stem: shortened(&stem, STEM_LIMIT),
        })
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
        let part = |name: &str| shortened(&slug(name), STEM_LIMIT);
        format!("fnlocal/{}/{}", part(&self.project), part(&self.env))
    }

    /// The nodes' role and instance profile. IAM has one list for all regions, so the region is a
    /// part of the name.
    #[must_use]
    pub fn role(&self, region: &str) -> String {
        shortened(&format!("{}-{region}-node", self.stem), ROLE_LIMIT)
    }

    /// The role with which schedules of functions put messages into the queue.
    #[must_use]
    pub fn schedule_role(&self, region: &str) -> String {
        shortened(&format!("{}-{region}-cron", self.stem), ROLE_LIMIT)
    }

    /// The queue of jobs.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("{}.fifo", shortened(&self.stem, QUEUE_LIMIT))
    }

    /// The queue of jobs that were given up.
    #[must_use]
    pub fn dead_letter_queue(&self) -> String {
        format!("{}-dead.fifo", shortened(&self.stem, QUEUE_LIMIT))
    }

    /// The group of functions' schedules.
    #[must_use]
    pub fn schedule_group(&self) -> String {
        shortened(&self.stem, SCHEDULE_LIMIT)
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
    fn a_long_balancer_name_is_shortened_and_stays_unique() {
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
    fn a_name_that_aws_does_not_accept_is_refused() {
        let error = ResourceNames::new("___", "prod").unwrap_err();
        assert_eq!(error.kind, CloudErrorKind::Config);
        assert!(error.hint.is_some());
    }

    #[test]
    fn names_of_any_length_stay_within_awss_limits_and_differ() {
        for length in [1, 20, 40, 60, 214, 1000] {
            let name = "a".repeat(length);
            let [one, other] = ["prod", "prod2"].map(|env| ResourceNames::new(&name, env).unwrap());
            let regions = ["eu-west-1", "ap-southeast-2"];
            assert!(one.role(regions[1]).len() <= 64);
            assert!(one.template().len() <= 128 && one.repository().len() <= 256);
            assert!(one.balancer().len() <= 32 && one.node_firewall().len() <= 255);
            assert_ne!(one.role(regions[0]), one.role(regions[1]));
            assert_ne!(one.role(regions[0]), other.role(regions[0]));
            assert_ne!(one.group(), other.group());
            assert_ne!(one.repository(), other.repository());
        }
    }

    #[test]
    fn a_role_is_named_after_its_region() {
        let names = ResourceNames::new("shop", "prod").unwrap();
        assert_eq!(names.role("us-east-1"), "fnlocal-shop-prod-us-east-1-node");
    }

    #[test]
    fn image_and_release_tags_convert_to_a_digest_and_a_number_and_back() {
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
