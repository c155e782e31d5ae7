//! The registry that ECR names, by the OCI distribution API.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use fnlocal_registry::Digest;
use futures_util::StreamExt as _;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use crate::delivery::{RELEASE_TYPE, SOURCES_TYPE, StoredRelease};
use crate::error::{CloudError, CloudErrorKind};

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// Bytes read from a file at once.
const CHUNK: usize = 256 << 10;
/// Attempts at one blob or manifest.
const ATTEMPTS: usize = 5;

/// How to get into a registry.
#[derive(Clone)]
pub struct Login {
    /// Its address, with `https://`.
    pub endpoint: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

/// A repository of a registry.
#[derive(Clone, Debug)]
pub struct RemoteRegistry {
    http: Client,
    base: Url,
    login: Login,
}

/// Why a single exchange failed.
enum Trouble {
    /// It may go well the next time.
    Passing(CloudError),
    /// It will not.
    Lasting(CloudError),
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
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

impl RemoteRegistry {
    /// The repository `name` of a registry.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(login: &Login, name: &str) -> Result<Self, CloudError> {
        let address = format!("{}/v2/{name}/", login.endpoint.trim_end_matches('/'));
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            CloudError::new(
                CloudErrorKind::Failed,
                format!("`{address}` is no address of a registry"),
            )
            .because(error)
            .hint("this is not what ECR documents; run the command again")
        };
        let base = Url::parse(&address).map_err(|error| broken(error.into()))?;
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build()
            .map_err(|error| broken(error.into()))?;
        Ok(Self {
            http,
            base,
            login: login.clone(),
        })
    }

    /// All tags; none when nothing was ever pushed.
    ///
    /// # Errors
    /// The registry refuses or does not answer.
    pub async fn tags(&self) -> Result<Vec<String>, CloudError> {
        let mut tags = Vec::new();
        let mut next = Some(self.url("tags/list?n=1000")?);
        while let Some(url) = next.take() {
            let answer = self.ask(Method::GET, &url, |request| request).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(tags);
            }
            let answer = self.accept(answer, &url).await?;
            let link = answer
                .headers()
                .get("link")
                .and_then(|link| link.to_str().ok());
            next = link
                .and_then(|link| link.split_once('<')?.1.split_once('>'))
                .and_then(|(target, _)| self.base.join(target).ok());
            let list: TagList = answer
                .json()
                .await
                .map_err(|error| unreadable(&url, error))?;
            tags.extend(list.tags.unwrap_or_default());
        }
        Ok(tags)
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
        let manifest: Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(_) => return Ok((digest, None)),
        };
        let part = |media_type: &str| {
            let mut layers = manifest.layers.iter();
            let layer = layers.find(|layer| layer.media_type == media_type)?;
            layer.digest.parse::<Digest>().ok()
        };
        let (Some(release), Some(sources)) = (part(RELEASE_TYPE), part(SOURCES_TYPE)) else {
            return Ok((digest, None));
        };
        let (release, sources) = tokio::try_join!(self.blob(&release), self.blob(&sources))?;
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
    pub async fn manifest(&self, reference: &str) -> Result<Option<(String, Vec<u8>)>, CloudError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let answer = self
            .ask(Method::GET, &url, |it| it.header(ACCEPT, MANIFESTS))
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.accept(answer, &url).await?;
        let bytes = answer
            .bytes()
            .await
            .map_err(|error| unreadable(&url, error))?;
        Ok(Some((Digest::of(&bytes).to_string(), bytes.to_vec())))
    }

    /// Whether a blob is there.
    ///
    /// # Errors
    /// The registry refuses or does not answer.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, CloudError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.ask(Method::HEAD, &url, |request| request).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        self.accept(answer, &url).await.map(|_| true)
    }

    /// Sends a blob from a file; `sent` is told how many bytes went out. The registry checks the
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
        let attempt = || async {
            let file = tokio::fs::File::from_std(open().map_err(Trouble::Lasting)?);
            let sent = sent.clone();
            let stream = ReaderStream::with_capacity(file, CHUNK).inspect(move |chunk| {
                sent(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
            });
            self.upload(digest, size, reqwest::Body::wrap_stream(stream))
                .await
        };
        self.patiently(attempt).await
    }

    /// Sends a small blob.
    ///
    /// # Errors
    /// The registry refuses or does not answer, also when asked again.
    pub async fn put_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<(), CloudError> {
        let size = bytes.len() as u64;
        let bytes = Bytes::copy_from_slice(bytes);
        let attempt = || self.upload(digest, size, reqwest::Body::from(bytes.clone()));
        self.patiently(attempt).await
    }

    /// Puts a manifest under a tag or its digest. Whatever it names must be there.
    ///
    /// # Errors
    /// The tag names something else already, or the registry refuses or does not answer.
    pub async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), CloudError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let digest = Digest::of(bytes).to_string();
        let attempt = || async {
            let request = |request: RequestBuilder| {
                request
                    .header(CONTENT_TYPE, media_type)
                    .body(bytes.to_vec())
            };
            let answer = self
                .ask(Method::PUT, &url, request)
                .await
                .map_err(Trouble::Passing)?;
            self.judge(answer, &url).await.map(drop)
        };
        let Err(error) = self.patiently(attempt).await else {
            return Ok(());
        };
        // An immutable tag refuses even what it names; and a lost answer may have put it there.
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

    async fn blob(&self, digest: &Digest) -> Result<Bytes, CloudError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.ask(Method::GET, &url, |request| request).await?;
        let answer = self.accept(answer, &url).await?;
        let bytes = answer
            .bytes()
            .await
            .map_err(|error| unreadable(&url, error))?;
        if Digest::of(&bytes) != *digest {
            return Err(CloudError::new(
                CloudErrorKind::Failed,
                format!("{digest} in the registry has other bytes"),
            )
            .hint("somebody has tampered with it, or the connection did: run the command again"));
        }
        Ok(bytes)
    }

    async fn upload(&self, digest: &Digest, size: u64, body: reqwest::Body) -> Result<(), Trouble> {
        let url = self.url("blobs/uploads/").map_err(Trouble::Lasting)?;
        let begun = self
            .ask(Method::POST, &url, |it| it.header(CONTENT_LENGTH, 0))
            .await;
        let begun = self.judge(begun.map_err(Trouble::Passing)?, &url).await?;
        let place = self.place(&begun)?;
        let answer = self
            .ask(Method::PATCH, &place, |request| {
                request
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_LENGTH, size)
                    .body(body)
            })
            .await;
        let answer = self
            .judge(answer.map_err(Trouble::Passing)?, &place)
            .await?;
        let mut place = self.place(&answer)?;
        place
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let answer = self
            .ask(Method::PUT, &place, |it| it.header(CONTENT_LENGTH, 0))
            .await;
        self.judge(answer.map_err(Trouble::Passing)?, &place)
            .await
            .map(drop)
    }

    /// Where an upload goes on.
    fn place(&self, answer: &Response) -> Result<Url, Trouble> {
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|it| it.to_str().ok());
        let place = location.and_then(|location| self.base.join(location).ok());
        place.ok_or_else(|| {
            Trouble::Lasting(
                CloudError::new(
                    CloudErrorKind::Failed,
                    "the registry does not say where to send bytes",
                )
                .hint("this is not what ECR documents; run the command again"),
            )
        })
    }

    async fn patiently<F>(&self, attempt: impl Fn() -> F) -> Result<(), CloudError>
    where
        F: Future<Output = Result<(), Trouble>>,
    {
        let done = attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(200))
                    .with_max_times(ATTEMPTS),
            )
            .when(|trouble| matches!(trouble, Trouble::Passing(_)))
            .await;
        done.map_err(|trouble| match trouble {
            Trouble::Passing(error) | Trouble::Lasting(error) => error,
        })
    }

    async fn ask(
        &self,
        method: Method,
        url: &Url,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, CloudError> {
        let request = self.http.request(method, url.clone());
        let request = with(request.basic_auth(&self.login.user, Some(&self.login.password)));
        request.send().await.map_err(|error| {
            CloudError::new(CloudErrorKind::Unreachable, "the registry does not answer")
                .because(error)
                .hint(
                    "check the connection, then run the command again: it goes on where it stopped",
                )
        })
    }

    async fn accept(&self, answer: Response, url: &Url) -> Result<Response, CloudError> {
        self.judge(answer, url)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Passing(error) | Trouble::Lasting(error) => error,
            })
    }

    async fn judge(&self, answer: Response, url: &Url) -> Result<Response, Trouble> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let what = format!("the registry answered {status} to {}", url.path());
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Trouble::Passing(
                CloudError::new(CloudErrorKind::TryAgain, what)
                    .because(text)
                    .hint("run the command again: it goes on where it stopped"),
            ));
        }
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "allow what the statement `Registry` of cloud/policy/promote.json lists"
            }
            _ => "run the command again: it goes on where it stopped",
        };
        Err(Trouble::Lasting(
            CloudError::new(CloudErrorKind::Failed, what)
                .because(text)
                .hint(hint),
        ))
    }

    fn url(&self, path: &str) -> Result<Url, CloudError> {
        self.base.join(path).map_err(|error| {
            CloudError::new(
                CloudErrorKind::Failed,
                format!("`{path}` is no path of a registry"),
            )
            .because(error)
        })
    }
}

fn unreadable(url: &Url, error: reqwest::Error) -> CloudError {
    CloudError::new(
        CloudErrorKind::Unreachable,
        format!("the answer of {} was cut short", url.path()),
    )
    .because(error)
    .hint("check the connection, then run the command again: it goes on where it stopped")
}
