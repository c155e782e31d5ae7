//! Names no sane client sends: refused, or stored inside the folder.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::support::Served;
use fnlocal_registry::Digest;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Sends a path as it is; client libraries would tidy it up. Returns the status, 0 for none.
fn send(address: SocketAddr, method: &str, path: &[u8], kind: &str, body: &[u8]) -> u16 {
    let mut connection = TcpStream::connect(address).unwrap();
    let mut request = format!("{method} ").into_bytes();
    request.extend_from_slice(path);
    let rest = format!(
        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    request.extend_from_slice(rest.as_bytes());
    request.extend_from_slice(body);
    // Refused before it has read all of it, the server may be gone by now.
    let _refused = connection.write_all(&request);
    let mut answer = Vec::new();
    let _reset = connection.read_to_end(&mut answer);
    let status = answer.get(9..12).unwrap_or_default();
    String::from_utf8_lossy(status).parse().unwrap_or_default()
}

/// Every path below `root`.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            found.insert(
                entry
                    .path()
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    found
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9]{1,8}",
        2 => "[a-z0-9]{1,3}(\\.|_|__|-{1,3})[a-z0-9]{1,3}",
        1 => prop::sample::select(vec![
            "", ".", "..", "%2e%2e", "..%2f..", "..%2F..%2f..%2fetc", "%2fetc", "_blobs", "_tags", "_manifests",
            "%5c..%5c", "%00", "\0", "a%00b", "A", "a b", "ä", "%c3%a4", "%ff", "%", "%zz", "*", "~", "a..b", ".a",
            "blobs", "uploads", "manifests", "tags", "list", "referrers", "con", "a:b", "?", "#", "\\", "-", "a-",
        ]).prop_map(str::to_owned),
        1 => (250_usize..300).prop_map(|length| "a".repeat(length)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_refused_or_stored_inside_the_registry_folder() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("a/b/c/store");
    let served = Served::start(&root).await;
    let address = served.client.address;
    let before = tree(outer.path());
    let tried = tokio::task::spawn_blocking(move || {
        let mut taken = BTreeSet::new();
        let names = prop::collection::vec(part(), 0..12).prop_map(|parts| parts.join("/"));
        let mut runner = TestRunner::new(Config::with_cases(120));
        let run = runner.run(&names, |name| {
            let digest = Digest::sha256(b"x");
            let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
            let blob = send(address, "POST", path.as_bytes(), "application/x", b"x");
            let path = format!("/v2/{name}/manifests/latest");
            let manifest = send(address, "PUT", path.as_bytes(), "text/plain", b"hello");
            let path = format!("/v2/x/manifests/{name}");
            let tag = send(address, "PUT", path.as_bytes(), "text/plain", b"hello");
            for status in [blob, manifest, tag] {
                prop_assert!(status < 500 && status != 200, "{name:?} {status}");
            }
            Ok(())
        });
        run.unwrap();
        for name in ["a/b/c/d/e/f/g/h/i/j", "blobs/uploads/manifests"] {
            let path = format!("/v2/{name}/manifests/latest");
            let status = send(address, "PUT", path.as_bytes(), "text/plain", b"hello");
            assert_eq!(status, 201, "{name}");
            taken.insert(name);
        }
        taken
    });
    let taken = tried.await.unwrap();
    let store = Path::new("a/b/c/store");
    let mut names = BTreeSet::new();
    for path in tree(outer.path()).difference(&before) {
        let inside = Path::new(path)
            .strip_prefix(store)
            .expect("outside the store's folder");
        let Ok(inside) = inside.strip_prefix("repositories") else {
            continue;
        };
        let (name, own) = inside
            .to_str()
            .unwrap()
            .split_once("/_")
            .unwrap_or_default();
        if own.starts_with("manifests/") {
            names.insert(name.to_owned());
        }
    }
    assert!(taken.iter().all(|name| names.contains(*name)));
    let known = served.store.repositories().unwrap();
    let known: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
    assert_eq!(
        known, names,
        "what is on disk has a name, and the other way round"
    );
    served.stop().await;
}
