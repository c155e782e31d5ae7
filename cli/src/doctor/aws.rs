//! The identity that AWS gives this machine. Asked only where credentials are set up.

use std::path::Path;

use fnlocal_cloud::aws::{configuration, identity};
use fnlocal_emulator::doctor::{Finding, FindingState};

/// The variables that hold credentials, or name their source.
const NAMES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
/// The variables that name credentials' files, and the default paths.
const FILES: [(&str, &str); 2] = [
    ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
    ("AWS_CONFIG_FILE", ".aws/config"),
];

/// Looks; nothing to say where nobody has set anything up.
pub async fn examine() -> Option<Finding> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let home = std::env::home_dir().unwrap_or_default();
    let there = |&(name, usual): &(&str, &str)| match std::env::var_os(name) {
        Some(path) => Path::new(&path).exists(),
        None => home.join(usual).exists(),
    };
    if !NAMES.iter().any(set) && !FILES.iter().any(there) {
        return None;
    }
    let config = configuration(None).await;
    Some(match identity(&config).await {
        Ok(found) => Finding::good("aws", format!("account {}, {}", found.account, found.arn)),
        Err(error) => {
            let usual = "`aws sts get-caller-identity` says more; nothing here needs AWS until \
                         something is promoted";
            let fix = error.hint.clone().unwrap_or_else(|| usual.to_owned());
            Finding::good("aws", error.to_string()).not(FindingState::Odd, fix)
        }
    })
}
