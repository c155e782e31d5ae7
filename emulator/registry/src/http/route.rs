//! The target of a path.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::refusal::RegistryRefusal;
use crate::digest::Digest;
use crate::name::{Reference, RepositoryName};
use crate::store::UploadId;

/// A request without its body.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    head: &'a Parts,
}

impl<'a> Call<'a> {
    pub fn new(head: &'a Parts) -> Self {
        Self { head }
    }

    pub fn path(&self) -> &'a str {
        self.head.uri.path()
    }

    pub fn method(&self) -> &'a Method {
        &self.head.method
    }

    pub fn headers(&self) -> &'a HeaderMap {
        &self.head.headers
    }

    /// A query parameter.
    pub fn query(&self, key: &str) -> Option<Cow<'a, str>> {
        self.queries(key).next()
    }

    /// All query parameters of a name.
    pub fn queries(&self, key: &str) -> impl Iterator<Item = Cow<'a, str>> {
        let query = self.head.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// A header that is text.
    pub fn header(&self, name: &axum::http::HeaderName) -> Option<&'a str> {
        self.head.headers.get(name)?.to_str().ok()
    }
}

/// A path under `/v2/`.
#[derive(Debug, PartialEq, Eq)]
pub enum RegistryRoute {
    Base,
    Catalog,
    Tags(RepositoryName),
    Referrers(RepositoryName, Digest),
    Manifest(RepositoryName, Reference),
    Blob(RepositoryName, Digest),
    Uploads(RepositoryName),
    Upload(RepositoryName, UploadId),
}

impl RegistryRoute {
    /// Reads a path from its end, since a name may have any number of parts, of any name. Each part
    /// is decoded by itself, so that an encoded slash is never one.
    pub fn parse(path: &str) -> Result<Self, RegistryRefusal> {
        if matches!(path, "/v2" | "/v2/") {
            return Ok(Self::Base);
        }
        let parts = path.strip_prefix("/v2/").ok_or_else(unknown_path)?;
        let parts: Option<Vec<Cow<'_, str>>> = parts
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8().ok())
            .collect();
        let parts = parts.ok_or_else(unknown_path)?;
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            ["_catalog"] => Ok(Self::Catalog),
            [name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [name @ .., "referrers", digest] => {
                Ok(Self::Referrers(repository(name)?, digest.parse()?))
            }
            [name @ .., "manifests", reference] => {
                Ok(Self::Manifest(repository(name)?, reference.parse()?))
            }
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [name @ .., "blobs", "uploads", id] => Ok(Self::Upload(repository(name)?, id.parse()?)),
            [name @ .., "blobs", digest] => Ok(Self::Blob(repository(name)?, digest.parse()?)),
            _ => Err(unknown_path()),
        }
    }
}

fn repository(parts: &[&str]) -> Result<RepositoryName, RegistryRefusal> {
    // Joined, a part with a slash inside would read as two.
    if let Some(part) = parts.iter().find(|part| part.contains('/')) {
        return Err(crate::NameError::Repository((*part).to_owned()).into());
    }
    Ok(parts.join("/").parse()?)
}

fn unknown_path() -> RegistryRefusal {
    RegistryRefusal::new(
        StatusCode::NOT_FOUND,
        "UNSUPPORTED",
        "the registry has no such path",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> RepositoryName {
        name.parse().unwrap()
    }

    #[test]
    fn repository_names_may_contain_reserved_path_words() {
        let tag: Reference = "v1".parse().unwrap();
        assert_eq!(
            RegistryRoute::parse("/v2/a/blobs/uploads/manifests/v1").unwrap(),
            RegistryRoute::Manifest(name("a/blobs/uploads"), tag)
        );
        assert_eq!(
            RegistryRoute::parse("/v2/tags/list/tags/list").unwrap(),
            RegistryRoute::Tags(name("tags/list"))
        );
        assert_eq!(
            RegistryRoute::parse("/v2/a/blobs/uploads/").unwrap(),
            RegistryRoute::Uploads(name("a"))
        );
    }

    #[test]
    fn a_digest_may_be_encoded_but_a_slash_in_a_name_may_not() {
        let digest = Digest::sha256(b"x");
        let path = format!("/v2/a/blobs/sha256%3A{}", digest.hex());
        assert_eq!(
            RegistryRoute::parse(&path).unwrap(),
            RegistryRoute::Blob(name("a"), digest)
        );
        for bad in [
            "/v2/a%2fb/tags/list",
            "/v2/..%2f..%2fetc/tags/list",
            "/v2/../tags/list",
            "/v2//tags/list",
            "/v2/tags/list",
            "/v2/a%00b/tags/list",
            "/v2/a/manifests/..%2f..%2fx",
            "/v2/a/blobs/uploads/..%2f..%2fx",
            "/v2/a/blobs/sha256:..%2f..%2fx",
            "/v1/a/tags/list",
            "/",
        ] {
            assert!(RegistryRoute::parse(bad).is_err(), "{bad}");
        }
    }
}
