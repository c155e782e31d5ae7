//! `fnlocal build` on a folder, and what it left in the folder's registry.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use bollard::Docker;
use fnlocal_image::oci::load::{Loading, load};
use fnlocal_registry::{Digest, Reference, RepositoryName, Store};
use serde_json::Value;

use super::{Folder, eventually};

/// Runs `fnlocal build --json`: exit code, what was built, stderr.
pub fn build(folder: &Folder, args: &[&str], env: &[(&str, &str)]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .arg("build")
        .arg(folder.path())
        .arg("--json")
        .args(args)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&stdout).unwrap_or_default();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), report, stderr)
}

/// Returns the build of the only package of a folder.
pub fn built(folder: &Folder, args: &[&str]) -> Value {
    let (code, report, stderr) = build(folder, args, &[]);
    assert_eq!(code, 0, "{stderr}");
    report["images"][0].clone()
}

/// The digest of a part of an image, and whether it was there before.
pub fn layer(image: &Value, part: &str) -> (String, bool) {
    let layers = image["platforms"][0]["layers"].as_array().unwrap();
    let found = layers.iter().find(|layer| layer["part"] == part);
    let found = found.unwrap_or_else(|| panic!("no {part} in {image:#}"));
    let digest = found["digest"].as_str().unwrap();
    (digest.to_owned(), found["cached"].as_bool().unwrap())
}

pub fn store(folder: &Folder) -> Store {
    Store::open(&folder.path().join(".fnlocal/registry")).unwrap()
}

fn repository(image: &Value) -> RepositoryName {
    image["repository"].as_str().unwrap().parse().unwrap()
}

fn digest(value: &Value) -> Digest {
    value.as_str().unwrap().parse().unwrap()
}

/// The files of a layer by path, with their modes and contents.
pub fn files(folder: &Folder, image: &Value, part: &str) -> BTreeMap<String, (u32, Vec<u8>)> {
    let of = layer(image, part).0.parse().unwrap();
    let (blob, _) = store(folder)
        .blob(&repository(image), &of)
        .unwrap()
        .unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(blob));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, (entry.header().mode().unwrap(), bytes));
    }
    files
}

/// An image's configuration.
pub fn config(folder: &Folder, image: &Value) -> Value {
    let of = digest(&image["platforms"][0]["config"]);
    let (blob, _) = store(folder)
        .blob(&repository(image), &of)
        .unwrap()
        .unwrap();
    serde_json::from_reader(blob).unwrap()
}

/// Returns the manifest that a tag of an image names in the registry.
pub fn manifest(folder: &Folder, image: &Value, tag: &str) -> Option<Digest> {
    let reference: Reference = tag.parse().unwrap();
    let found = store(folder).manifest(&repository(image), &reference);
    found.unwrap().map(|manifest| manifest.digest)
}

/// A container of an image, run as anybody would, without fnlocal. Removed when dropped.
pub struct Alone {
    id: String,
    name: String,
    pub port: u16,
}

impl Alone {
    /// Loads the image into the engine and runs it with `PORT` and nothing else.
    pub async fn run(folder: &Folder, image: &Value) -> Self {
        let name = given(folder, image).await;
        let publish = ["--publish", "127.0.0.1:0:8080", "--env", "PORT=8080"];
        let id = docker(&[&["run", "--detach"], &publish[..], &[&name]].concat());
        let port = docker(&["port", &id, "8080"]);
        let port = port.rsplit(':').next().unwrap().parse().unwrap();
        let alone = Self { id, name, port };
        let url = alone.url("/");
        eventually("the container listens", async || {
            reqwest::get(&url).await.is_ok()
        })
        .await;
        alone
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.id]);
        docker(&["rmi", &self.name]);
    }
}

/// Gives an image to the engine, under a name of the test's own.
pub async fn given(folder: &Folder, image: &Value) -> String {
    let engine = Docker::connect_with_defaults().unwrap();
    let unique = folder.path().file_name().unwrap().to_str().unwrap();
    let name = format!("{}:test", unique.to_lowercase());
    let loading = Loading {
        repository: repository(image),
        manifest: digest(&image["platforms"][0]["manifest"]),
        name: name.clone(),
    };
    let id = load(&engine, &store(folder), &loading).await.unwrap();
    assert_eq!(id, image["platforms"][0]["config"], "the digests are kept");
    name
}

/// Runs `docker` to its end and returns what it wrote.
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    stdout.lines().next().unwrap_or_default().trim().to_owned()
}

/// Gives every file below a folder another time.
pub fn age(folder: &Path) {
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
}
