//! Blobs on their way in: at once, in one piece after asking, in chunks, or mounted.

use axum::body::Body;
use axum::http::{HeaderName, Method, Response, StatusCode, header};

use super::receive::{Incoming, Received, receive};
use super::refusal::{RegistryRefusal, empty, plain};
use super::route::Call;
use super::sessions::Turn;
use super::{RegistryResult, RegistryService, range};
use crate::digest::{Algorithm, Digest};
use crate::name::RepositoryName;
use crate::store::{Blob, UploadId};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

impl RegistryService {
    /// POST to `blobs/uploads/`.
    pub(super) async fn begin(
        &self,
        call: Call<'_>,
        body: &mut Body,
        name: RepositoryName,
    ) -> RegistryResult {
        if call.method() != Method::POST {
            return Err(RegistryRefusal::method());
        }
        if let Some(algorithm) = call.query("digest-algorithm") {
            algorithm.parse::<Algorithm>()?;
        }
        if let Some(digest) = call.query("digest") {
            return self.monolithic(body, name, digest.parse()?).await;
        }
        if let Some(digest) = call.query("mount") {
            let digest: Digest = digest.parse()?;
            let from = call.query("from").map(|from| from.parse());
            // From a name that is none it cannot be mounted: the client uploads it instead.
            if !matches!(from, Some(Err(_)))
                && self
                    .mount(&digest, from.and_then(Result::ok), &name)
                    .await?
            {
                return Ok(created(&name, &digest));
            }
        }
        let repository = name.clone();
        let id = self
            .blocking(move |store| Ok(store.begin_upload(&repository)?))
            .await?;
        Ok(under_way(StatusCode::ACCEPTED, &name, &id, 0))
    }

    /// Anything to `blobs/uploads/ID`.
    pub(super) async fn upload(
        &self,
        call: Call<'_>,
        body: &mut Body,
        name: RepositoryName,
        id: UploadId,
    ) -> RegistryResult {
        match *call.method() {
            Method::GET | Method::HEAD => {
                let size = self.size(&name, &id).await?;
                Ok(under_way(StatusCode::NO_CONTENT, &name, &id, size))
            }
            Method::PATCH => {
                let incoming = self.chunk(call, body, &name, &id).await?;
                let size = incoming.writer.size();
                incoming.pause();
                Ok(under_way(StatusCode::ACCEPTED, &name, &id, size))
            }
            Method::PUT => {
                let digest = call.query("digest").unwrap_or_default().parse()?;
                let incoming = self.chunk(call, body, &name, &id).await?;
                let blob = self.commit(incoming, &name, digest).await;
                self.sessions.forget(&id);
                Ok(created(&name, &blob?.digest))
            }
            Method::DELETE => self.cancel(name, id).await,
            _ => Err(RegistryRefusal::method()),
        }
    }

    async fn monolithic(
        &self,
        body: &mut Body,
        name: RepositoryName,
        digest: Digest,
    ) -> RegistryResult {
        let writer = self.blocking(|store| Ok(store.writer()?)).await?;
        let turn = Turn::alone();
        let incoming = Incoming { writer, turn };
        let received = receive(body, incoming, self.options.stall_timeout).await?;
        if let Some(failed) = received.failed {
            return Err(failed);
        }
        let blob = self.commit(received.incoming, &name, digest).await?;
        Ok(created(&name, &blob.digest))
    }

    async fn mount(
        &self,
        digest: &Digest,
        from: Option<RepositoryName>,
        to: &RepositoryName,
    ) -> Result<bool, RegistryRefusal> {
        let (digest, to) = (digest.clone(), to.clone());
        self.blocking(move |store| match from {
            Some(from) => Ok(store.mount(&digest, &from, &to)?),
            None => Ok(store.mount_from_any(&digest, &to)?),
        })
        .await
    }

    async fn size(&self, name: &RepositoryName, id: &UploadId) -> Result<u64, RegistryRefusal> {
        let (name, id) = (name.clone(), id.clone());
        self.blocking(move |store| Ok(store.upload_size(&name, &id)?))
            .await
    }

    /// Adds a request's body to an upload, if it is the next part.
    async fn chunk(
        &self,
        call: Call<'_>,
        body: &mut Body,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<Incoming, RegistryRefusal> {
        // Before the turn, so that a name nobody was given is not remembered.
        self.size(name, id).await?;
        let mut turn = self.sessions.turn(id).await;
        let (repository, upload) = (name.clone(), id.clone());
        let incoming = self.blocking(move |store| {
            let known = turn.take();
            let writer = store.resume_upload(&repository, &upload, known)?;
            Ok(Incoming { writer, turn })
        });
        let incoming = incoming.await?;
        let begin = incoming.writer.size();
        let expected = match expected(call, begin) {
            Ok(expected) => expected,
            Err(why) => {
                incoming.pause();
                return Err(out_of_order(name, id, begin, why));
            }
        };
        let stall = self.options.stall_timeout;
        let received = receive(body, incoming, stall).await;
        let Received { incoming, failed } = match received {
            Ok(received) => received,
            Err(refusal) => {
                self.sessions.forget(id);
                return Err(refusal);
            }
        };
        if let Some(failed) = failed {
            incoming.pause();
            return Err(failed);
        }
        if expected.is_some_and(|expected| incoming.writer.size() - begin != expected) {
            let cut = self.blocking(move |_| Ok(incoming.writer.cut(begin)?));
            cut.await?;
            let why = "the chunk is not as long as its Content-Range says";
            return Err(RegistryRefusal::new(
                StatusCode::BAD_REQUEST,
                "SIZE_INVALID",
                why,
            ));
        }
        Ok(incoming)
    }

    async fn commit(
        &self,
        incoming: Incoming,
        name: &RepositoryName,
        digest: Digest,
    ) -> Result<Blob, RegistryRefusal> {
        let name = name.clone();
        let committed = self.blocking(move |_| {
            let Incoming { writer, turn } = incoming;
            let committed = writer.commit(&name, Some(&digest));
            drop(turn);
            Ok(committed?)
        });
        committed.await
    }

    async fn cancel(&self, name: RepositoryName, id: UploadId) -> RegistryResult {
        self.size(&name, &id).await?;
        let turn = self.sessions.turn(&id).await;
        self.sessions.forget(&id);
        let cancelled = self.blocking(move |store| {
            let cancelled = store.cancel_upload(&name, &id);
            drop(turn);
            Ok(cancelled?)
        });
        cancelled.await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}

/// The bytes a chunk is to have, when it says where it belongs; an error when that is not at
/// `begin`.
fn expected(call: Call<'_>, begin: u64) -> Result<Option<u64>, &'static str> {
    let Some(header) = call.headers().get(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let chunk = header.to_str().ok().and_then(range::chunk);
    let chunk = chunk.ok_or("Content-Range is not `first-last`")?;
    if chunk.start != begin {
        return Err("the chunk does not begin where the last one ended");
    }
    let length = chunk.end - chunk.start;
    let said = call.header(&header::CONTENT_LENGTH);
    match said.and_then(|said| said.parse::<u64>().ok()) {
        Some(said) if said != length => Err("Content-Range and Content-Length differ"),
        _ => Ok(Some(length)),
    }
}

fn out_of_order(
    name: &RepositoryName,
    id: &UploadId,
    size: u64,
    why: &'static str,
) -> RegistryRefusal {
    RegistryRefusal::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "BLOB_UPLOAD_INVALID",
        why,
    )
    .with(header::LOCATION, place(name, id))
    .with(header::RANGE, so_far(size))
}

fn created(name: &RepositoryName, digest: &Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(
        header::LOCATION,
        plain(format!("/v2/{name}/blobs/{digest}")),
    );
    headers.insert(CONTENT_DIGEST, plain(digest));
    response
}

fn under_way(
    status: StatusCode,
    name: &RepositoryName,
    id: &UploadId,
    size: u64,
) -> Response<Body> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, place(name, id));
    headers.insert(header::RANGE, so_far(size));
    headers.insert(UPLOAD_ID, plain(id));
    response
}

fn place(name: &RepositoryName, id: &UploadId) -> axum::http::HeaderValue {
    plain(format!("/v2/{name}/blobs/uploads/{id}"))
}

/// The last byte's position. Nothing at all looks like one byte, as in every registry.
fn so_far(size: u64) -> axum::http::HeaderValue {
    plain(format!("0-{}", size.saturating_sub(1)))
}
