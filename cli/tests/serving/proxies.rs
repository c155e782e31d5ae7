//! Proxies in front: what they name as client, protocol and host reaches functions, and nothing that
//! other clients make up.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Dev, Folder, header};
use serde_json::{Value, json};

const CODE: &str = "exports.seen = (req, res) => res.json({
  ip: req.ip, secure: req.secure, host: req.hostname,
  port: req.headers['x-forwarded-port'], chain: req.headers['x-forwarded-for'],
});";

/// A request as a tunnel on this machine passes it on, of a client that names another address.
fn tunnelled(dev: &Dev, path: &str) -> reqwest::RequestBuilder {
    reqwest::Client::new()
        .post(dev.at(path))
        .header("x-forwarded-for", "10.0.0.1, 203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "shop.example")
}

async fn seen(dev: &Dev) -> Value {
    tunnelled(dev, "/seen")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_behind_a_tunnel_sees_the_client_https_and_the_public_host() {
    let folder = Folder::new(&[("index.js", CODE)]);
    for nodes in [
        &["--runtime", "process"][..],
        &["--runtime", "process", "--nodes", "2"],
    ] {
        let dev = Dev::start_with(&folder, nodes);
        let seen = seen(&dev).await;
        assert_eq!(seen["ip"], "203.0.113.9", "{seen}");
        assert_eq!(seen["secure"], true, "{seen}");
        assert_eq!(seen["host"], "shop.example", "{seen}");
        assert_eq!(seen["port"], "443", "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_trusted_proxies_a_client_names_nothing_but_itself() {
    let toml = "[dev]\ntrusted_proxies = []\n";
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", toml)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let expected = json!({
        "ip": "127.0.0.1", "secure": false, "host": "127.0.0.1",
        "port": dev.port().to_string(), "chain": "127.0.0.1",
    });
    assert_eq!(seen(&dev).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_machine_gets_neither_platform_paths_nor_asynchronous_runs() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let metrics = tunnelled(&dev, "/_fnlocal/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), 403);
    assert_eq!(
        metrics.json::<Value>().await.unwrap()["reason"],
        "not_local"
    );
    let deferred = tunnelled(&dev, "/seen").header("x-fnlocal-invoke", "async");
    let deferred = deferred.send().await.unwrap();
    assert_eq!(deferred.status(), 403);
    assert_eq!(
        deferred.json::<Value>().await.unwrap()["reason"],
        "async_not_allowed"
    );
    let local = reqwest::get(dev.at("/_fnlocal/health")).await.unwrap();
    assert_eq!(local.status(), 200, "{}", header(&local, "content-type"));
}
