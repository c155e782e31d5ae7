//! Blobs on their way out.

use std::io::{Seek, SeekFrom};
use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};

use super::range::{RequestedRange, asked};
use super::refusal::{RegistryRefusal, empty, plain};
use super::route::Call;
use super::uploads::CONTENT_DIGEST;
use super::{RegistryResult, RegistryService, send};
use fnlocal_files::OwnPath;

use crate::digest::Digest;
use crate::error::io;
use crate::name::RepositoryName;

impl RegistryService {
    /// Anything to `blobs/DIGEST`.
    pub(super) async fn blob(
        &self,
        call: Call<'_>,
        name: RepositoryName,
        digest: Digest,
    ) -> RegistryResult {
        match *call.method() {
            Method::HEAD => {
                let asked = digest.clone();
                let size = self
                    .blocking(move |store| Ok(store.blob_size(&name, &asked)?))
                    .await?;
                let size = size.ok_or_else(RegistryRefusal::unknown_blob)?;
                Ok(described(empty(StatusCode::OK), &digest, size))
            }
            Method::GET => self.send_blob(call, name, digest).await,
            Method::DELETE => {
                let deleted = self
                    .blocking(move |store| Ok(store.delete_blob(&name, &digest)?))
                    .await?;
                match deleted {
                    true => Ok(empty(StatusCode::ACCEPTED)),
                    false => Err(RegistryRefusal::unknown_blob()),
                }
            }
            _ => Err(RegistryRefusal::method()),
        }
    }

    async fn send_blob(
        &self,
        call: Call<'_>,
        name: RepositoryName,
        digest: Digest,
    ) -> RegistryResult {
        let wanted = digest.clone();
        let found = self
            .blocking(move |store| {
                let found = store.blob(&name, &wanted)?;
                // A file that lost its bytes leaves nothing to check while it is sent.
                let lost = found.as_ref().is_some_and(|(_, size)| *size == 0);
                let gone = lost && !store.verify(&wanted)?;
                Ok(found.filter(|_| !gone))
            })
            .await?;
        let (file, size) = found.ok_or_else(RegistryRefusal::unknown_blob)?;
        // A client that has a part of other content must not get a part of this one.
        let same = call
            .header(&header::IF_RANGE)
            .is_none_or(|known| known == format!("\"{digest}\""));
        let header = call.header(&header::RANGE).filter(|_| same);
        match asked(header, size) {
            RequestedRange::All => {
                let body = send::whole(self.store.clone(), digest.clone(), file, size);
                Ok(described(Response::new(body), &digest, size))
            }
            RequestedRange::Part(range) => self.send_part(file, range, &digest, size).await,
            RequestedRange::Nothing => Err(RegistryRefusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "SIZE_INVALID",
                format!("the blob has {size} bytes"),
            )
            .with(header::CONTENT_RANGE, plain(format!("bytes */{size}")))),
        }
    }

    async fn send_part(
        &self,
        mut file: std::fs::File,
        range: Range<u64>,
        digest: &Digest,
        size: u64,
    ) -> RegistryResult {
        let start = range.start;
        let file = self
            .blocking(move |store| {
                file.seek(SeekFrom::Start(start))
                    .map_err(io(&OwnPath::new(store.root())))?;
                Ok(file)
            })
            .await?;
        let length = range.end - range.start;
        let body = send::part(file, length);
        let mut response = described(Response::new(body), digest, length);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        response
            .headers_mut()
            .insert(header::CONTENT_RANGE, plain(range));
        Ok(response)
    }
}

fn described(mut response: Response<Body>, digest: &Digest, length: u64) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, plain(length));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, plain(format!("\"{digest}\"")));
    headers.insert(CONTENT_DIGEST, plain(digest));
    response
}
