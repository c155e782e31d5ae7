//! The OCI Distribution API 1.1 over a [`Store`], on axum.
//!
//! Bodies stream in both directions: an upload takes about a megabyte of memory, whatever its
//! size. There is no authentication: it answers those who name this machine in the Host header, and
//! no web pages.

mod blobs;
pub(crate) mod fuzzing;
mod host;
mod lists;
mod manifests;
mod range;
mod receive;
mod refusal;
mod route;
mod send;
mod serve;
mod sessions;
mod stall;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};

pub use serve::serve;

use crate::store::Store;
use refusal::RegistryRefusal;
use route::{Call, RegistryRoute};
use sessions::Sessions;

/// The settings of the HTTP side.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Names in the Host header that are answered besides those of this machine's loopback; without
    /// ports. A page of another site could reach the registry by a name of its own (DNS rebinding).
    pub hosts: Vec<String>,
    /// Time a client may take to send a request's head, and to leave a connection unused.
    pub head_timeout: Duration,
    /// Time without a byte of an upload after which it is left to be gone on with later, and
    /// without a byte of an answer being taken after which its connection is closed.
    pub stall_timeout: Duration,
    /// Time for requests under way once the server stops.
    pub drain_timeout: Duration,
}

impl Default for HttpOptions {
    /// As the gateway's.
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// One registry's HTTP side.
struct RegistryService {
    store: Store,
    options: HttpOptions,
    sessions: Sessions,
}

/// The answer to a request.
type RegistryResult = Result<Response<Body>, RegistryRefusal>;

/// The API as a router, for a server of one's own; [`serve()`] has one.
pub fn router(store: Store, options: HttpOptions) -> Router {
    let registry = RegistryService {
        store,
        options,
        sessions: Sessions::default(),
    };
    Router::new()
        .fallback(answer)
        .with_state(Arc::new(registry))
}

async fn answer(
    State(registry): State<Arc<RegistryService>>,
    request: Request<Body>,
) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let (head, mut body) = request.into_parts();
    let answer = match host::check(&head, &registry.options.hosts) {
        Ok(()) => registry.route(Call::new(&head), &mut body).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(refusal) => {
            // A client that is still sending would see a broken connection instead of the answer;
            // one that waits to be asked for its body is not.
            if !head.headers.contains_key(header::EXPECT) {
                receive::drain(&mut body).await;
            }
            refusal.into_response()
        }
    };
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response.headers_mut().insert(
        "docker-distribution-api-version",
        HeaderValue::from_static("registry/2.0"),
    );
    response
}

impl RegistryService {
    async fn route(&self, call: Call<'_>, body: &mut Body) -> RegistryResult {
        match RegistryRoute::parse(call.path())? {
            RegistryRoute::Base => match *call.method() {
                Method::GET | Method::HEAD => refusal::json(StatusCode::OK, &serde_json::json!({})),
                _ => Err(RegistryRefusal::method()),
            },
            RegistryRoute::Catalog => self.catalog(call).await,
            RegistryRoute::Tags(name) => self.tags(call, name).await,
            RegistryRoute::Referrers(name, subject) => self.referrers(call, name, subject).await,
            RegistryRoute::Manifest(name, reference) => {
                self.manifest(call, body, name, reference).await
            }
            RegistryRoute::Blob(name, digest) => self.blob(call, name, digest).await,
            RegistryRoute::Uploads(name) => self.begin(call, body, name).await,
            RegistryRoute::Upload(name, id) => self.upload(call, body, name, id).await,
        }
    }

    /// Does what blocks on files, off the threads that carry requests.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, RegistryRefusal> + Send + 'static,
    ) -> Result<T, RegistryRefusal> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done,
            Err(error) => Err(RegistryRefusal::bug(&error)),
        }
    }
}
