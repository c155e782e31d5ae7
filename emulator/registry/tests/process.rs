//! The registry in a process of its own: killed, measured, and without room on its disk.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fnlocal_registry::{Digest, HttpOptions, Reference, RepositoryName, Store, serve};
use futures_util::StreamExt;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use sha2::Digest as _;
use support::{IMAGE, Registry, code, header, image};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where a process of these tests serves from.
const FOLDER: &str = "FNLOCAL_TEST_REGISTRY";
/// Bytes of the large layer, in MiB, instead of the usual.
const LAYER: &str = "FNLOCAL_TEST_LAYER_MIB";
/// Small enough for every run, and several times the memory allowed.
const USUAL_LAYER: u64 = 256;
/// Memory the process may have had at its peak, in KiB.
const MEMORY: u64 = 100 * 1024;

/// A process that serves a folder; killed when dropped.
struct Process {
    child: Child,
    client: Registry,
}

impl Process {
    /// `before` is what a shell does before it becomes the process.
    fn start(folder: &Path, before: &str) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{before}\nexec \"$0\" \"$@\""))
            .arg(this)
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "child_process_serves_a_registry",
            ])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("serving ")?.1.trim().parse().ok()
        });
        let client = Registry::at(address.expect("the process serves"));
        Self { child, client }
    }

    /// Peak resident memory in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
#[ignore = "the other tests start it in a process of its own"]
async fn child_process_serves_a_registry() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = Store::open(Path::new(&folder)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("serving {}", listener.local_addr().unwrap());
    let never = CancellationToken::new();
    serve(store, listener, HttpOptions::default(), never).await;
}

/// Pushes images until the registry is gone, and tells of each that was acknowledged.
async fn push_until_it_dies(
    client: Registry,
    pusher: u64,
    acknowledged: mpsc::UnboundedSender<(RepositoryName, String)>,
) {
    let name = format!("team{}/app", pusher % 3);
    for number in 0.. {
        let tag = format!("v{pusher}.{number}");
        if push(&client, &name, &tag).await.is_err() {
            return;
        }
        let told = acknowledged.send((name.parse().unwrap(), tag));
        told.expect("the test listens");
    }
}

async fn push(client: &Registry, name: &str, tag: &str) -> reqwest::Result<()> {
    // One layer all share, one of its own in two chunks.
    let own = tag.repeat(20_000);
    let mut digests = Vec::new();
    for bytes in ["{}", "shared", &own] {
        let path = format!("/v2/{name}/blobs/uploads/");
        let begun = client.request(Method::POST, &path).send().await?;
        let upload = header(&begun, "location").unwrap();
        for half in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
            let patch = client.request(Method::PATCH, &upload).body(half.to_owned());
            patch.send().await?.error_for_status()?;
        }
        let digest = Digest::sha256(bytes.as_bytes());
        let path = format!("{upload}?digest={digest}");
        let put = client.request(Method::PUT, &path).send().await?;
        put.error_for_status()?;
        digests.push(digest);
    }
    let manifest = image(&digests[0], &[&digests[1], &digests[2]]);
    let put = client.request(Method::PUT, &format!("/v2/{name}/manifests/{tag}"));
    let put = put.header("content-type", IMAGE).body(manifest.to_string());
    put.send().await?.error_for_status().map(drop)
}

/// Fails unless a manifest and all it names are there and right.
fn complete(store: &Store, name: &RepositoryName, tag: &str) {
    let reference: Reference = tag.parse().unwrap();
    let manifest = store.manifest(name, &reference).unwrap();
    let manifest = manifest.unwrap_or_else(|| panic!("{name}:{tag} has no manifest"));
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    for part in layers.iter().chain([&manifest["config"]]) {
        let digest: Digest = part["digest"].as_str().unwrap().parse().unwrap();
        assert!(store.has_blob(name, &digest), "{name}:{tag} {digest}");
        assert!(store.verify(&digest).unwrap(), "{name}:{tag} {digest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_manifests_are_complete_after_a_kill_during_twenty_pushes() {
    let folder = tempfile::tempdir().unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    for round in 0..3_u64 {
        let process = Process::start(folder.path(), "");
        let (acknowledge, mut acknowledged) = mpsc::unbounded_channel();
        for pusher in 0..20 {
            let client = process.client.clone();
            let acknowledge = acknowledge.clone();
            tokio::spawn(push_until_it_dies(client, round * 20 + pusher, acknowledge));
        }
        drop(acknowledge);
        // Killed upon any of these, it is anywhere in the other nineteen.
        for _ in 0..random.random_range(1..80) {
            all.push(acknowledged.recv().await.expect("pushes succeed"));
        }
        drop(process);
        while let Some(pushed) = acknowledged.recv().await {
            all.push(pushed);
        }
        let store = Store::open(folder.path()).unwrap();
        for (name, tag) in &all {
            complete(&store, name, tag);
        }
        // Also those it had no time to acknowledge.
        for name in store.repositories().unwrap() {
            for tag in store.tags(&name).unwrap().unwrap() {
                complete(&store, &name, tag.as_str());
            }
        }
    }
    let store = Store::open(folder.path()).unwrap();
    store
        .collect(Duration::ZERO, &std::collections::BTreeSet::new())
        .unwrap();
    assert_eq!(
        std::fs::read_dir(folder.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
    for (name, tag) in &all {
        complete(&store, name, tag);
    }
    println!("{} acknowledged", all.len());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn pushing_and_pulling_a_layer_takes_bounded_memory() {
    let layer = std::env::var(LAYER).ok().and_then(|mib| mib.parse().ok());
    push_and_pull(layer.unwrap_or(USUAL_LAYER)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while and 2 GB of disk"]
async fn pushing_and_pulling_a_layer_of_two_gigabytes_takes_bounded_memory() {
    push_and_pull(2048).await;
}

#[cfg(target_os = "linux")]
async fn push_and_pull(mib: u64) {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    let client = &process.client;
    // Every MiB differs from the others, so that nothing along the way can share them.
    let piece = |number: u64| {
        [number.to_le_bytes(), (!number).to_le_bytes()]
            .concat()
            .repeat(1 << 16)
    };
    let mut hasher = sha2::Sha256::new();
    for number in 0..mib {
        hasher.update(piece(number));
    }
    let sent = hex::encode(hasher.finalize());
    let digest: Digest = format!("sha256:{sent}").parse().unwrap();
    let upload = client.begin("big").await;
    let pieces =
        futures_util::stream::iter((0..mib).map(move |number| std::io::Result::Ok(piece(number))));
    let begun = std::time::Instant::now();
    let patch = client.request(Method::PATCH, &upload);
    let patch = patch
        .body(reqwest::Body::wrap_stream(pieces))
        .send()
        .await
        .unwrap();
    assert_eq!(patch.status(), 202);
    assert_eq!(client.finish(&upload, &digest).await.status(), 201);
    let pushed = begun.elapsed();
    let begun = std::time::Instant::now();
    let mut hasher = sha2::Sha256::new();
    let mut body = client
        .get(&format!("/v2/big/blobs/{digest}"))
        .await
        .bytes_stream();
    let mut size = 0;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.unwrap();
        hasher.update(&bytes);
        size += bytes.len() as u64;
    }
    assert_eq!(size, mib << 20);
    let found = hex::encode(hasher.finalize());
    assert_eq!(found, sent);
    let peak = process.peak();
    println!(
        "{mib} MiB: pushed in {pushed:?}, pulled in {:?}, peak {peak} KiB",
        begun.elapsed()
    );
    assert!(peak < MEMORY, "{peak} KiB");
}

#[tokio::test]
async fn a_push_to_a_full_disk_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // No file larger than 2 MiB: the write that would make one fails as on a full disk.
    let process = Process::start(folder.path(), "trap '' XFSZ; ulimit -f 4096");
    let client = &process.client;
    let bytes = vec![1_u8; 6 << 20];
    let digest = Digest::sha256(&bytes);
    let upload = client.begin("a").await;
    let chunked = client.patch(&upload, 0, &bytes).await;
    assert_eq!(chunked.status(), 507);
    assert_eq!(code(chunked).await, "UNKNOWN");
    assert_eq!(client.get(&upload).await.status(), 404);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let at_once = client
        .request(Method::POST, &path)
        .body(bytes)
        .send()
        .await
        .unwrap();
    assert_eq!(at_once.status(), 507);
    assert_eq!(
        client.get(&format!("/v2/a/blobs/{digest}")).await.status(),
        404
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
    // An image that fits is still taken.
    client.image("a", "v1", "small").await;
}
