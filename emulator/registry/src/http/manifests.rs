//! Manifests in and out.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::receive::gather;
use super::refusal::{RegistryRefusal, empty, plain};
use super::route::Call;
use super::uploads::CONTENT_DIGEST;
use super::{RegistryResult, RegistryService};
use crate::name::{Reference, RepositoryName, Tag};
use crate::store::{MANIFEST_LIMIT, StoredManifest};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Bytes a media type may have, by RFC 6838.
const TYPE_LIMIT: usize = 255;

impl RegistryService {
    /// Anything to `manifests/REFERENCE`.
    pub(super) async fn manifest(
        &self,
        call: Call<'_>,
        body: &mut Body,
        name: RepositoryName,
        reference: Reference,
    ) -> RegistryResult {
        match *call.method() {
            Method::GET | Method::HEAD => {
                let asked = call.method() == Method::HEAD;
                let found = self.blocking(move |store| {
                    let found = store.manifest(&name, &reference)?;
                    // The client may be about to name it in an index.
                    if let Some(found) = found.as_ref().filter(|_| asked) {
                        store.refresh_manifest(&name, &found.digest)?;
                    }
                    Ok(found)
                });
                Ok(served(
                    found.await?.ok_or_else(RegistryRefusal::unknown_manifest)?,
                ))
            }
            Method::PUT => self.put(call, body, name, reference).await,
            Method::DELETE => {
                let deleted = self.blocking(move |store| match reference {
                    Reference::Tag(tag) => Ok(store.delete_tag(&name, &tag)?),
                    Reference::Digest(digest) => Ok(store.delete_manifest(&name, &digest)?),
                });
                match deleted.await? {
                    true => Ok(empty(StatusCode::ACCEPTED)),
                    false => Err(RegistryRefusal::unknown_manifest()),
                }
            }
            _ => Err(RegistryRefusal::method()),
        }
    }

    async fn put(
        &self,
        call: Call<'_>,
        body: &mut Body,
        name: RepositoryName,
        reference: Reference,
    ) -> RegistryResult {
        let media_type = media_type(call)?;
        let (digest, tags) = match &reference {
            Reference::Tag(tag) => (None, vec![tag.clone()]),
            Reference::Digest(digest) => {
                let tags: Result<Vec<Tag>, _> =
                    call.queries("tag").map(|tag| tag.parse()).collect();
                (Some(digest.clone()), tags?)
            }
        };
        let bytes = gather(body, MANIFEST_LIMIT, self.options.stall_timeout).await?;
        let (repository, named) = (name.clone(), tags.clone());
        let put = self.blocking(move |store| {
            Ok(store.put_tagged(&repository, digest.as_ref(), &named, &media_type, &bytes)?)
        });
        let (digest, subject) = put.await?;
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        let location = format!("/v2/{name}/manifests/{reference}");
        headers.insert(header::LOCATION, plain(location));
        headers.insert(CONTENT_DIGEST, plain(&digest));
        if let Some(subject) = subject {
            headers.insert(SUBJECT, plain(subject));
        }
        if matches!(reference, Reference::Digest(_)) {
            for tag in tags {
                headers.append(TAG, plain(tag));
            }
        }
        Ok(response)
    }
}

/// Without parameters, which no media type of a manifest has.
fn media_type(call: Call<'_>) -> Result<String, RegistryRefusal> {
    let sent = call.header(&header::CONTENT_TYPE).unwrap_or_default();
    let sent = sent.split(';').next().unwrap_or_default().trim();
    if sent.contains('/') && sent.len() <= TYPE_LIMIT {
        return Ok(sent.to_owned());
    }
    Err(RegistryRefusal::new(
        StatusCode::BAD_REQUEST,
        "MANIFEST_INVALID",
        "Content-Type must be the manifest's media type",
    ))
}

fn served(manifest: StoredManifest) -> Response<Body> {
    let length = manifest.bytes.len();
    let mut response = Response::new(Body::from(manifest.bytes));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_str(&manifest.media_type);
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, media_type.unwrap_or(unknown));
    headers.insert(header::CONTENT_LENGTH, plain(length));
    headers.insert(header::ETAG, plain(format!("\"{}\"", manifest.digest)));
    headers.insert(CONTENT_DIGEST, plain(manifest.digest));
    response
}
