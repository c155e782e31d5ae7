//! Common parts of the tests over HTTP: a server on a port of its own, and a client.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, in functions that are not"
)]

use std::net::SocketAddr;
use std::path::Path;

use fnlocal_registry::{Digest, HttpOptions, Store, serve};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry that serves a folder until it is stopped.
pub struct Served {
    pub store: Store,
    pub client: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A client of one registry.
#[derive(Clone)]
pub struct Registry {
    pub address: SocketAddr,
    http: Client,
}

/// A registry in a new folder, which goes when dropped.
pub async fn registry() -> (Served, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Served::start(folder.path()).await, folder)
}

impl Served {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, HttpOptions::default()).await
    }

    pub async fn start_with(folder: &Path, options: HttpOptions) -> Self {
        let store = Store::open(folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Registry::at(listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = serve(store.clone(), listener, options, stop.clone());
        let task = tokio::spawn(serving);
        Self {
            store,
            client,
            stop,
            task,
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Tells it to stop, while requests are under way.
    pub fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stopped(self) {
        self.task.await.unwrap();
    }
}

impl Registry {
    pub fn at(address: SocketAddr) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        Self { address, http }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.request(method, url)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn head(&self, path: &str) -> Response {
        self.request(Method::HEAD, path).send().await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Begins an upload. Returns its path.
    pub async fn begin(&self, name: &str) -> String {
        let path = format!("/v2/{name}/blobs/uploads/");
        let response = self.request(Method::POST, &path).send().await.unwrap();
        assert_eq!(response.status(), 202);
        header(&response, "location").unwrap()
    }

    pub async fn patch(&self, upload: &str, start: usize, bytes: &[u8]) -> Response {
        let range = format!("{start}-{}", start + bytes.len() - 1);
        self.request(Method::PATCH, upload)
            .header("content-range", range)
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap()
    }

    pub async fn finish(&self, upload: &str, digest: &Digest) -> Response {
        let path = format!("{upload}?digest={digest}");
        self.request(Method::PUT, &path).send().await.unwrap()
    }

    /// Pushes a blob in one request.
    pub async fn blob(&self, name: &str, bytes: impl AsRef<[u8]>) -> Digest {
        let digest = Digest::sha256(bytes.as_ref());
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let request = self.request(Method::POST, &path);
        let response = request.body(bytes.as_ref().to_vec()).send().await.unwrap();
        assert_eq!(response.status(), 201);
        digest
    }

    pub async fn put_manifest(
        &self,
        name: &str,
        reference: &str,
        media_type: &str,
        manifest: impl Into<Vec<u8>>,
    ) -> Response {
        self.request(Method::PUT, &format!("/v2/{name}/manifests/{reference}"))
            .header("content-type", media_type)
            .body(manifest.into())
            .send()
            .await
            .unwrap()
    }

    /// Pushes an image of one layer under a tag.
    pub async fn image(&self, name: &str, tag: &str, layer: &str) -> Digest {
        let config = self.blob(name, "{}").await;
        let layer = self.blob(name, layer).await;
        let manifest = image(&config, &[&layer]).to_string();
        let response = self.put_manifest(name, tag, IMAGE, manifest).await;
        assert_eq!(response.status(), 201);
        header(&response, "docker-content-digest")
            .unwrap()
            .parse()
            .unwrap()
    }
}

pub fn image(config: &Digest, layers: &[&Digest]) -> Value {
    let part = |digest: &Digest| json!({"mediaType": "application/x", "digest": digest, "size": 1});
    let layers: Vec<Value> = layers.iter().map(|layer| part(layer)).collect();
    json!({"schemaVersion": 2, "mediaType": IMAGE, "config": part(config), "layers": layers})
}

pub fn header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

/// The first error's code.
pub async fn code(response: Response) -> String {
    let errors: Value = response.json().await.unwrap();
    errors["errors"][0]["code"].as_str().unwrap().to_owned()
}
