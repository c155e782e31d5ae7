//! Where an environment answers: from its name to a URL, in one place.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use fnlocal_loadtest::{LoadError, Resolver, Target};

use super::{Place, Refusal};

/// The URL of an environment of the project in a folder, without a slash at its end. The balancer
/// is found by its name and its tags; it is not looked at whether anybody answers there.
pub async fn base_url(folder: &Path, env: &str) -> Result<String, Refusal> {
    let place = Place::open(folder, Some(env))?;
    let aws = place.connect().await?;
    Ok(aws.door().await?.url(&place.env))
}

/// Environments of the project in a folder, as targets of load.
pub struct Environments {
    /// The folder.
    pub folder: PathBuf,
}

impl Resolver for Environments {
    fn resolve<'a>(
        &'a self,
        env: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Target, LoadError>> + 'a>> {
        Box::pin(async move {
            match base_url(&self.folder, env).await {
                Ok(url) => Target::parse(&url),
                Err(refusal) => Err(LoadError::Env {
                    env: env.to_owned(),
                    why: refusal.text(),
                    hint: refusal
                        .hint()
                        .unwrap_or("give its address with --url")
                        .to_owned(),
                }),
            }
        })
    }
}
