//! The lists: repositories, tags, referrers.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::refusal::{RegistryRefusal, json as answer, plain};
use super::route::Call;
use super::{RegistryResult, RegistryService};
use crate::digest::Digest;
use crate::name::RepositoryName;
use crate::store::Descriptor;

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A part of a sorted list, and where the next begins.
struct ListPage {
    items: Vec<String>,
    next: Option<String>,
}

/// The manifests about one, as an index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Referrers {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl RegistryService {
    /// `/v2/_catalog`.
    pub(super) async fn catalog(&self, call: Call<'_>) -> RegistryResult {
        only_get(call)?;
        let names = self.blocking(|store| Ok(store.repositories()?)).await?;
        let page = page(call, names.iter().map(ToString::to_string))?;
        let list = json!({"repositories": page.items});
        listed(&list, "/v2/_catalog", &page)
    }

    /// `tags/list`.
    pub(super) async fn tags(&self, call: Call<'_>, name: RepositoryName) -> RegistryResult {
        only_get(call)?;
        let asked = name.clone();
        let tags = self.blocking(move |store| Ok(store.tags(&asked)?)).await?;
        let tags = tags.ok_or_else(RegistryRefusal::unknown_repository)?;
        let page = page(call, tags.iter().map(ToString::to_string))?;
        let list = json!({"name": name, "tags": page.items});
        listed(&list, &format!("/v2/{name}/tags/list"), &page)
    }

    /// `referrers/DIGEST`. Of a manifest that is not here, too: it may come later.
    pub(super) async fn referrers(
        &self,
        call: Call<'_>,
        name: RepositoryName,
        subject: Digest,
    ) -> RegistryResult {
        only_get(call)?;
        let found = self.blocking(move |store| Ok(store.referrers(&name, &subject)?));
        let mut manifests = found.await?;
        let wanted = call.query("artifactType");
        if let Some(wanted) = &wanted {
            manifests.retain(|found| found.artifact_type.as_deref() == Some(wanted.as_ref()));
        }
        let index = Referrers {
            schema_version: 2,
            media_type: INDEX,
            manifests,
        };
        let mut response = answer(StatusCode::OK, &index)?;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(INDEX));
        if wanted.is_some() {
            headers.insert(FILTERS, HeaderValue::from_static("artifactType"));
        }
        Ok(response)
    }
}

fn only_get(call: Call<'_>) -> Result<(), RegistryRefusal> {
    match *call.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(RegistryRefusal::method()),
    }
}

/// Returns the part of a sorted list that `n` and `last` ask for.
fn page(call: Call<'_>, all: impl Iterator<Item = String>) -> Result<ListPage, RegistryRefusal> {
    let wanted = match call.query("n") {
        None => usize::MAX,
        Some(n) => n.parse().map_err(|_| bad_number())?,
    };
    let last = call.query("last").unwrap_or_default();
    let mut after = all.filter(|item| item.as_str() > last.as_ref());
    let items: Vec<String> = after.by_ref().take(wanted).collect();
    let more = after.next().is_some();
    let next = items.last().filter(|_| more).cloned();
    Ok(ListPage { items, next })
}

fn listed(list: &serde_json::Value, path: &str, page: &ListPage) -> RegistryResult {
    let mut response = answer(StatusCode::OK, list)?;
    if let Some(last) = &page.next {
        let next = form_urlencoded::Serializer::new(String::new())
            .append_pair("n", &page.items.len().to_string())
            .append_pair("last", last)
            .finish();
        let link = plain(format!("<{path}?{next}>; rel=\"next\""));
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn bad_number() -> RegistryRefusal {
    RegistryRefusal::new(
        StatusCode::BAD_REQUEST,
        "PAGINATION_NUMBER_INVALID",
        "n must be a number",
    )
}
