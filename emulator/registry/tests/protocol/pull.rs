//! Blobs and manifests on their way out, and gone, over HTTP.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{IMAGE, INDEX, Served, code, header, image, registry};
use fnlocal_registry::{Digest, HttpOptions};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn part_of_a_blob_is_pulled_with_a_range() {
    let (served, _folder) = registry().await;
    let digest = served.client.blob("a", "0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let ask = async |range: &str| {
        let request = served.client.request(Method::GET, &path);
        let response = request.header("range", range).send().await.unwrap();
        let content_range = header(&response, "content-range").unwrap_or_default();
        let status = response.status().as_u16();
        (status, content_range, response.text().await.unwrap())
    };
    let part = |range: &str, text: &str| (206, range.to_owned(), text.to_owned());
    assert_eq!(ask("bytes=2-4").await, part("bytes 2-4/10", "234"));
    assert_eq!(ask("bytes=7-").await, part("bytes 7-9/10", "789"));
    assert_eq!(ask("bytes=-2").await, part("bytes 8-9/10", "89"));
    let (status, range, _) = ask("bytes=10-").await;
    assert_eq!((status, range.as_str()), (416, "bytes */10"));
    let (status, _, text) = ask("bytes=0-1,4-5").await;
    assert_eq!((status, text.as_str()), (200, "0123456789"));
}

#[tokio::test]
async fn an_interrupted_download_resumes_only_if_the_content_is_the_same() {
    let (served, _folder) = registry().await;
    let digest = served.client.blob("a", "0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let ask = async |known: String| {
        let request = served.client.request(Method::GET, &path);
        let request = request
            .header("range", "bytes=5-")
            .header("if-range", known);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(format!("\"{digest}\"")).await, 206);
    assert_eq!(ask("\"sha256:other\"".to_owned()).await, 200);
}

#[tokio::test]
async fn a_corrupt_blob_is_never_pulled_completely() {
    let (served, folder) = registry().await;
    let bytes = vec![1_u8; 1 << 20];
    let digest = served.client.blob("a", &bytes).await;
    let path = format!("/v2/a/blobs/{digest}");
    let file = folder.path().join("blobs/sha256").join(digest.hex());
    let mut bad = bytes.clone();
    bad[700_000] = 2;
    std::fs::write(&file, &bad).unwrap();
    assert!(served.client.get(&path).await.bytes().await.is_err());
    assert_eq!(served.client.get(&path).await.status(), 404);
    assert_eq!(served.client.head(&path).await.status(), 404);
    served.client.blob("a", &bytes).await;
    std::fs::write(&file, "").unwrap();
    assert_eq!(served.client.get(&path).await.status(), 404);
    served.client.blob("a", &bytes).await;
    let again = served.client.get(&path).await.bytes().await.unwrap();
    assert!(again == bytes);
}

#[tokio::test]
async fn a_manifest_is_returned_exactly_as_stored() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let config = client.blob("a/b", "{}").await;
    let types = [
        IMAGE,
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.example.anything+json",
    ];
    for (number, media_type) in types.iter().enumerate() {
        let mut manifest = image(&config, &[]);
        manifest["mediaType"] = json!(media_type);
        manifest["unknown"] = json!("kept");
        let text = manifest.to_string();
        let digest = Digest::sha256(text.as_bytes());
        let tag = format!("v{number}");
        let put = client
            .put_manifest("a/b", &tag, media_type, text.clone())
            .await;
        assert_eq!(put.status(), 201);
        for reference in [tag, digest.to_string()] {
            let path = format!("/v2/a/b/manifests/{reference}");
            let head = client.head(&path).await;
            assert_eq!(
                header(&head, "content-length").unwrap(),
                text.len().to_string()
            );
            let pulled = client.get(&path).await;
            assert_eq!(header(&pulled, "content-type").unwrap(), *media_type);
            assert_eq!(
                header(&pulled, "docker-content-digest").unwrap(),
                digest.to_string()
            );
            assert_eq!(pulled.text().await.unwrap(), text);
        }
    }
}

#[tokio::test]
async fn a_manifest_of_an_unknown_type_may_have_any_content() {
    let (served, _folder) = registry().await;
    let put = served
        .client
        .put_manifest("a", "x", "text/plain", "hello")
        .await;
    assert_eq!(put.status(), 201);
    let pulled = served.client.get("/v2/a/manifests/x").await;
    assert_eq!(pulled.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn an_invalid_manifest_is_refused_with_the_error_code() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let refused = async |reference: &str, media_type: &str, manifest: String| {
        let put = client
            .put_manifest("a", reference, media_type, manifest)
            .await;
        (put.status().as_u16(), code(put).await)
    };
    let missing = image(&Digest::sha256(b"nowhere"), &[]).to_string();
    let answer = refused("v1", IMAGE, missing.clone()).await;
    assert_eq!(answer, (404, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    let answer = refused("v1", IMAGE, "{".to_owned()).await;
    assert_eq!(answer, (400, "MANIFEST_INVALID".to_owned()));
    let answer = refused("v1", INDEX, missing.clone()).await;
    assert_eq!(answer, (400, "MANIFEST_INVALID".to_owned()));
    let answer = refused("v1", "", missing.clone()).await;
    assert_eq!(answer, (400, "MANIFEST_INVALID".to_owned()));
    let other = Digest::sha256(b"other").to_string();
    let answer = refused(&other, "text/plain", "hello".to_owned()).await;
    assert_eq!(answer, (400, "DIGEST_INVALID".to_owned()));
    let answer = refused("v1", "text/plain", "x".repeat((4 << 20) + 1)).await;
    assert_eq!(answer, (413, "SIZE_INVALID".to_owned()));
    let answer = refused("..", "text/plain", "x".to_owned()).await;
    assert_eq!(answer.0, 404);
    assert_eq!(client.get("/v2/a/manifests/v1").await.status(), 404);
    let at_limit = client.put_manifest("a", "v1", "text/plain", "x".repeat(4 << 20));
    assert_eq!(at_limit.await.status(), 201);
}

#[tokio::test]
async fn referrers_are_listed_and_filtered_by_their_type() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let subject = client.image("a", "v1", "layer").await;
    let list = format!("/v2/a/referrers/{subject}");
    assert_eq!(client.json(&list).await["manifests"], json!([]));
    let config = client.blob("a", "{}").await;
    let mut about = image(&config, &[]);
    about["subject"] = json!({"mediaType": IMAGE, "digest": subject, "size": 1});
    about["annotations"] = json!({"who": "me"});
    let mut typed = about.clone();
    typed["artifactType"] = json!("application/vnd.example.sbom");
    for (tag, manifest) in [("plain", &about), ("typed", &typed)] {
        let put = client
            .put_manifest("a", tag, IMAGE, manifest.to_string())
            .await;
        assert_eq!(header(&put, "oci-subject").unwrap(), subject.to_string());
    }
    let all = client.get(&list).await;
    assert_eq!(header(&all, "content-type").unwrap(), INDEX);
    assert_eq!(header(&all, "oci-filters-applied"), None);
    let all: serde_json::Value = all.json().await.unwrap();
    assert_eq!(all["manifests"].as_array().unwrap().len(), 2);
    let filtered = client
        .get(&format!("{list}?artifactType=application/vnd.example.sbom"))
        .await;
    assert_eq!(
        header(&filtered, "oci-filters-applied").unwrap(),
        "artifactType"
    );
    let filtered: serde_json::Value = filtered.json().await.unwrap();
    let text = typed.to_string();
    let expected = json!([{
        "mediaType": IMAGE,
        "digest": Digest::sha256(text.as_bytes()),
        "size": text.len(),
        "artifactType": "application/vnd.example.sbom",
        "annotations": {"who": "me"},
    }]);
    assert_eq!(filtered["manifests"], expected);
    // Without one of its own, the config's type counts.
    let by_config = client
        .json(&format!("{list}?artifactType=application/x"))
        .await;
    assert_eq!(by_config["manifests"].as_array().unwrap().len(), 1);
    let digest = Digest::sha256(text.as_bytes());
    client.delete(&format!("/v2/a/manifests/{digest}")).await;
    let left = client.json(&list).await;
    assert_eq!(left["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tags_and_repositories_are_listed_page_by_page() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let names: Vec<String> = (0..7).map(|number| format!("deep/r{number}")).collect();
    for name in &names {
        client.image(name, "v1", "layer").await;
    }
    for tag in ["a", "B", "c.1", "_d", "v0"] {
        client.image("deep/r0", tag, "layer").await;
    }
    let tags = client.json("/v2/deep/r0/tags/list").await;
    assert_eq!(
        tags,
        json!({"name": "deep/r0", "tags": ["B", "_d", "a", "c.1", "v0", "v1"]})
    );
    for (list, key, expected) in [
        ("/v2/deep/r0/tags/list?n=2", "tags", tags["tags"].clone()),
        ("/v2/_catalog?n=3", "repositories", json!(names)),
    ] {
        let mut next = Some(list.to_owned());
        let mut found = Vec::new();
        while let Some(page) = next {
            let response = client.get(&page).await;
            next = header(&response, "link").map(|link| {
                let (path, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
                assert_eq!(rest, "; rel=\"next\"");
                path.to_owned()
            });
            let page: serde_json::Value = response.json().await.unwrap();
            found.extend(page[key].as_array().unwrap().clone());
        }
        assert_eq!(json!(found), expected);
    }
    let none = client.get("/v2/deep/r0/tags/list?n=0").await;
    assert_eq!(header(&none, "link"), None);
    let after = client.json("/v2/deep/r0/tags/list?last=c").await;
    assert_eq!(after["tags"], json!(["c.1", "v0", "v1"]));
    assert_eq!(client.get("/v2/deep/r0/tags/list?n=x").await.status(), 400);
    let unknown = client.get("/v2/deep/tags/list").await;
    assert_eq!(code(unknown).await, "NAME_UNKNOWN");
}

#[tokio::test]
async fn deleted_tags_manifests_and_blobs_are_not_found() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let digest = client.image("a", "v1", "layer").await;
    client.image("a", "v2", "layer").await;
    assert_eq!(client.delete("/v2/a/manifests/v1").await.status(), 202);
    assert_eq!(client.get("/v2/a/manifests/v1").await.status(), 404);
    assert_eq!(client.delete("/v2/a/manifests/v1").await.status(), 404);
    let path = format!("/v2/a/manifests/{digest}");
    assert_eq!(client.get(&path).await.status(), 200);
    assert_eq!(client.delete(&path).await.status(), 202);
    assert_eq!(client.get("/v2/a/manifests/v2").await.status(), 404);
    let blob = format!("/v2/a/blobs/{}", Digest::sha256(b"layer"));
    assert_eq!(client.delete(&blob).await.status(), 202);
    assert_eq!(client.get(&blob).await.status(), 404);
    assert_eq!(client.delete(&blob).await.status(), 404);
}

#[tokio::test]
async fn requests_with_a_foreign_host_header_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = HttpOptions {
        hosts: vec!["registry.example".to_owned()],
        ..HttpOptions::default()
    };
    let served = Served::start_with(folder.path(), options).await;
    let ask = async |name: &str, value: &str| {
        let request = served.client.request(Method::GET, "/v2/");
        let response = request.header(name, value).send().await.unwrap();
        response.status().as_u16()
    };
    for host in [
        "localhost:5000",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:80",
        "x.localhost",
        "registry.example:5000",
    ] {
        assert_eq!(ask("host", host).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "localhost.evil.example",
        "@",
    ] {
        assert_eq!(ask("host", host).await, 403, "{host}");
    }
    assert_eq!(ask("origin", "http://127.0.0.1:3000").await, 403);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_specifications_errors() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    assert_eq!(client.get("/v1/").await.status(), 404);
    assert_eq!(client.delete("/v2/").await.status(), 405);
    let post = client.request(Method::POST, "/v2/a/manifests/v1").send();
    assert_eq!(code(post.await.unwrap()).await, "UNSUPPORTED");
    let response = client.get("/v2/A/tags/list").await;
    assert_eq!(response.status(), 400);
    assert_eq!(code(response).await, "NAME_INVALID");
    let response = client.get("/v2/").await;
    let version = header(&response, "docker-distribution-api-version");
    assert_eq!(version.unwrap(), "registry/2.0");
}
