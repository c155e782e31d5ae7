//! The registry that ECR names, by the OCI distribution API.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use fnlocal_registry::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciImageManifest,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio_util::io::ReaderStream;

use crate::delivery::{RELEASE_TYPE, SOURCES_TYPE, StoredRelease};
use crate::error::{CloudError, CloudErrorKind};

const MANIFEST_TYPES: &[&str] = &[
    OCI_IMAGE_MEDIA_TYPE,
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
];
/// Bytes read from a file at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Attempts at one blob or manifest.
const MAX_ATTEMPTS: usize = 5;
/// Tags asked for at once: the most that ECR gives.
const TAGS_A_PAGE: usize = 1000;
/// The most that a part of a release may take; its variables' names and limits are in it.
const MAX_RELEASE_BYTES: usize = 16 << 20;

/// How to get into a registry.
#[derive(Clone)]
pub struct Login {
    /// Its address, with `https://`.
    pub endpoint: String,
    pub user: String,
    pub password: String,
}

/// A repository of a registry.
#[derive(Clone)]
pub struct RemoteRegistry {
    client: Client,
    auth: RegistryAuth,
    host: String,
    repository: String,
}

impl Login {
    /// The registry's address without `https://`.
    #[must_use]
    pub fn host(&self) -> String {
        let endpoint = self.endpoint.as_str();
        let host = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, host)| host);
        host.trim_end_matches('/').to_owned()
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

// The password stays out of it.
impl std::fmt::Debug for RemoteRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteRegistry")
            .field("host", &self.host)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

impl RemoteRegistry {
    /// The repository `name` of a registry.
    ///
    /// # Errors
    /// This machine has no certificates to check the registry's by.
    pub async fn new(login: &Login, name: &str) -> Result<Self, CloudError> {
        let protocol = if login.endpoint.starts_with("http://") {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        };
        let client = Client::try_from(ClientConfig {
            protocol,
            connect_timeout: Some(Duration::from_secs(10)),
            read_timeout: Some(Duration::from_secs(60)),
            // One request takes a blob of any size; in pieces, each would wait for an answer.
            use_monolithic_push: true,
            ..ClientConfig::default()
        });
        let client = client.map_err(|error| judge(error, &login.endpoint))?;
        let auth = RegistryAuth::Basic(login.user.clone(), login.password.clone());
        let host = login.host();
        client.store_auth_if_needed(&host, &auth).await;
        Ok(Self {
            client,
            auth,
            host,
            repository: name.to_owned(),
        })
    }

    /// All tags; none when nothing was ever pushed.
    ///
    /// # Errors
    /// The registry refuses or does not answer.
    pub async fn tags(&self) -> Result<Vec<String>, CloudError> {
        let image = self.named("latest");
        let mut tags = Vec::new();
        loop {
            let last = tags.last().map(String::as_str);
            let page = self
                .client
                .list_tags(&image, &self.auth, Some(TAGS_A_PAGE), last);
            let page = match page.await {
                Err(error) if is_missing(&error) => return Ok(tags),
                page => page.map_err(|error| judge(error, "the list of tags"))?,
            };
            let is_last = page.tags.len() < TAGS_A_PAGE;
            tags.extend(page.tags);
            if is_last {
                return Ok(tags);
            }
        }
    }

    /// The digest a tag names, and the delivery it is; no delivery when it is one this version of
    /// fnlocal cannot read.
    ///
    /// # Errors
    /// The registry refuses, does not answer, or has other bytes than it says.
    pub async fn delivery(&self, tag: &str) -> Result<(String, Option<StoredRelease>), CloudError> {
        let Some((digest, bytes)) = self.manifest(tag).await? else {
            return Err(CloudError::new(
                CloudErrorKind::TryAgain,
                format!("the release {tag} is gone"),
            )
            .hint("run the command again: it makes a new plan"));
        };
        let Ok(manifest) = serde_json::from_slice::<OciImageManifest>(&bytes) else {
            return Ok((digest, None));
        };
        let part = |media_type: &str| {
            let mut layers = manifest.layers.iter();
            layers.find(|layer| layer.media_type == media_type)
        };
        let (Some(release), Some(sources)) = (part(RELEASE_TYPE), part(SOURCES_TYPE)) else {
            return Ok((digest, None));
        };
        let (release, sources) =
            tokio::try_join!(self.blob(&release.digest), self.blob(&sources.digest))?;
        let release = serde_json::from_slice(&release).ok();
        let sources = serde_json::from_slice(&sources).ok();
        let delivery = release.zip(sources);
        Ok((
            digest,
            delivery.map(|(release, sources)| StoredRelease { release, sources }),
        ))
    }

    /// A manifest's digest and bytes, if it is there.
    ///
    /// # Errors
    /// The registry refuses or does not answer.
    pub async fn manifest(&self, reference: &str) -> Result<Option<(String, Bytes)>, CloudError> {
        let image = self.named(reference);
        let pulled = self
            .client
            .pull_manifest_raw(&image, &self.auth, MANIFEST_TYPES);
        match pulled.await {
            // The registry's own digest is not believed.
            Ok((bytes, _)) => Ok(Some((Digest::sha256(&bytes).to_string(), bytes))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(judge(error, reference)),
        }
    }

    /// Returns whether the registry has a blob.
    ///
    /// # Errors
    /// The registry refuses or does not answer.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, CloudError> {
        let digest = digest.to_string();
        let image = self.named(&digest);
        let there = self.client.blob_exists(&image, &digest);
        there.await.map_err(|error| judge(error, &digest))
    }

    /// Sends a blob from a file; `sent` receives the number of bytes sent. The registry checks the
    /// digest before it keeps anything.
    ///
    /// # Errors
    /// The registry refuses or does not answer, also when asked again.
    pub async fn put_blob(
        &self,
        digest: &Digest,
        size: u64,
        open: impl Fn() -> Result<std::fs::File, CloudError>,
        sent: impl Fn(u64) + Clone + Send + 'static,
    ) -> Result<(), CloudError> {
        let digest = digest.to_string();
        let image = self.named(&digest);
        let attempt = || async {
            let file = tokio::fs::File::from_std(open()?);
            let sent = sent.clone();
            let stream = ReaderStream::with_capacity(file, CHUNK_BYTES)
                .inspect(move |chunk| sent(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64)))
                .map_err(OciDistributionError::from);
            let pushed = self
                .client
                .push_blob_stream(&image, stream, &digest, Some(size));
            pushed.await.map_err(|error| judge(error, &digest))
        };
        patiently(attempt).await.map(drop)
    }

    /// Sends a small blob.
    ///
    /// # Errors
    /// The registry refuses or does not answer, also when asked again.
    pub async fn put_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<(), CloudError> {
        let digest = digest.to_string();
        let image = self.named(&digest);
        let bytes = Bytes::copy_from_slice(bytes);
        let attempt = || async {
            let pushed = self.client.push_blob(&image, bytes.clone(), &digest);
            pushed.await.map_err(|error| judge(error, &digest))
        };
        patiently(attempt).await.map(drop)
    }

    /// Puts a manifest under a tag or its digest. Everything that the manifest names must be there.
    ///
    /// # Errors
    /// The tag names something else already, or the registry refuses or does not answer.
    pub async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), CloudError> {
        let image = self.named(reference);
        let body = Bytes::copy_from_slice(bytes);
        let attempt = || async {
            let content_type = media_type.parse().map_err(|_| {
                let what = format!("`{media_type}` is no type of a manifest");
                CloudError::new(CloudErrorKind::Failed, what)
            })?;
            let pushed = self
                .client
                .push_manifest_raw(&image, body.clone(), content_type);
            pushed.await.map_err(|error| judge(error, reference))
        };
        let Err(error) = patiently(attempt).await else {
            return Ok(());
        };
        // An immutable tag refuses even what it names; and a lost answer may have put it there.
        let digest = Digest::sha256(bytes).to_string();
        match self.manifest(reference).await {
            Ok(Some((there, _))) if there == digest => Ok(()),
            Ok(Some(_)) => Err(CloudError::new(
                CloudErrorKind::TryAgain,
                format!("{reference} was taken by another promote meanwhile"),
            )
            .hint("run the command again: it makes a new plan on top of the other's")),
            _ => Err(error),
        }
    }

    async fn blob(&self, digest: &str) -> Result<Vec<u8>, CloudError> {
        let failed = |error| judge(error, digest);
        let image = self.named(digest);
        let pulled = self.client.pull_blob_stream(&image, &digest);
        // The stream compares the digest with the bytes at their end.
        let mut stream = pulled.await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream
            .try_next()
            .await
            .map_err(|error| failed(error.into()))?
        {
            if bytes.len() + chunk.len() > MAX_RELEASE_BYTES {
                let what = format!("{digest} in the registry is larger than any release");
                return Err(CloudError::new(CloudErrorKind::Failed, what));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// A tag or a digest of the repository.
    fn named(&self, reference: &str) -> Reference {
        let (host, repository) = (self.host.clone(), self.repository.clone());
        if reference.contains(':') {
            Reference::with_digest(host, repository, reference.to_owned())
        } else {
            Reference::with_tag(host, repository, reference.to_owned())
        }
    }
}

async fn patiently<T, F>(attempt: impl Fn() -> F) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_times(MAX_ATTEMPTS);
    let passing = |error: &CloudError| {
        matches!(
            error.kind,
            CloudErrorKind::TryAgain | CloudErrorKind::Unreachable
        )
    };
    attempt.retry(pauses).when(passing).await
}

fn is_missing(error: &OciDistributionError) -> bool {
    http_status(error) == Some(404)
}

/// The status that the registry answered, or the one that its error's code stands for.
fn http_status(error: &OciDistributionError) -> Option<u16> {
    match error {
        OciDistributionError::RequestError(error) => error.status().map(|it| it.as_u16()),
        OciDistributionError::ServerError { code, .. } => Some(*code),
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => Some(401),
        OciDistributionError::RegistryError { envelope, .. } => {
            Some(match envelope.errors.first()?.code {
                OciErrorCode::Toomanyrequests => 429,
                OciErrorCode::Denied | OciErrorCode::Unauthorized => 403,
                OciErrorCode::NameUnknown | OciErrorCode::ManifestUnknown => 404,
                _ => 400,
            })
        }
        _ => None,
    }
}

/// Returns the meaning of a registry's error for a promote; `what` names the thing that was asked
/// for.
fn judge(error: OciDistributionError, what: &str) -> CloudError {
    use OciDistributionError::{DigestError, IoError, RequestError};
    let (kind, text, hint) = match (http_status(&error), &error) {
        (Some(code @ (401 | 403)), _) => (
            CloudErrorKind::Failed,
            format!("the registry answered {code} about {what}"),
            "allow what the statement `Registry` of cloud/policy/promote.json lists",
        ),
        (Some(code), _) => (
            match code {
                429 | 500.. => CloudErrorKind::TryAgain,
                _ => CloudErrorKind::Failed,
            },
            format!("the registry answered {code} about {what}"),
            "run the command again: it goes on where it stopped",
        ),
        (None, RequestError(_) | IoError(_)) => (
            CloudErrorKind::Unreachable,
            "the registry does not answer".to_owned(),
            "check the connection, then run the command again: it goes on where it stopped",
        ),
        (None, DigestError(_)) => (
            CloudErrorKind::Failed,
            format!("{what} in the registry has other bytes"),
            "somebody has tampered with it, or the connection did: run the command again",
        ),
        (None, _) => (
            CloudErrorKind::Failed,
            format!("the registry's answer about {what} makes no sense"),
            "run the command again: it goes on where it stopped",
        ),
    };
    CloudError::new(kind, text).because(error).hint(hint)
}
