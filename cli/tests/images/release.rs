//! Releases and the images they name: kept, compared, served, pulled by others.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Dev, Folder, eventually, fnlocal, header, signal};
use serde_json::Value;

fn says(word: &str) -> String {
    format!("exports.hello = (req, res) => res.send('{word}');\n")
}

fn project(word: &str) -> Folder {
    let package = "{\"name\": \"shop\"}";
    Folder::new(&[("index.js", &says(word)), ("package.json", package)])
}

fn ok(args: &[&str]) -> String {
    let (code, stdout, stderr) = fnlocal(args);
    assert_eq!(code, 0, "{args:?}\n{stdout}\n{stderr}");
    stdout
}

/// Builds, and returns what was printed.
fn build(folder: &Folder) -> Value {
    let path = folder.path().to_str().unwrap();
    serde_json::from_str(&ok(&["build", path, "--json"])).unwrap()
}

fn digest(built: &Value) -> String {
    built["release"]["digest"].as_str().unwrap().to_owned()
}

async fn answer(dev: &Dev) -> (String, String) {
    let answer = reqwest::get(dev.at("/hello")).await.unwrap();
    let code = header(&answer, "x-fnlocal-code").to_owned();
    (answer.text().await.unwrap(), code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_unchanged_by_later_edits() {
    let folder = project("one");
    let path = folder.path().to_str().unwrap().to_owned();
    let first = build(&folder);
    assert_eq!(first["release"]["new"], true);
    // Nothing changed: no release is made of it.
    let again = build(&folder);
    assert_eq!(again["release"]["new"], false);
    assert_eq!(digest(&again), digest(&first));
    let in_dev = {
        let dev = Dev::start(&folder);
        answer(&dev).await
    };

    folder.write("index.js", &says("two"));
    let second = build(&folder);
    let listed = ok(&["release", "list", "--folder", &path]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(listed.contains(&digest(&first)[7..19]) && listed.contains("hello"));
    let diff = ok(&[
        "release",
        "diff",
        &digest(&first)[7..19],
        &digest(&second),
        "--folder",
        &path,
    ]);
    assert_eq!(diff, "hello  changed: code\n");

    let up = Dev::up_with(&folder, &["--release", &digest(&first)]);
    let (text, code) = answer(&up).await;
    assert_eq!(text, "one");
    // The same files are known by the same hash everywhere.
    assert_eq!((text, code), in_dev);
    drop(up);

    // A file will do as well.
    let shown = ok(&["release", "show", &digest(&second), "--folder", &path]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), shown).unwrap();
    let up = Dev::up_with(&folder, &["--release", file.path().to_str().unwrap()]);
    assert_eq!(answer(&up).await.0, "two");
    drop(up);

    // The older one is forgotten, and its image with it.
    let pruned = ok(&[
        "release", "prune", "--keep", "1", "--json", "--folder", &path,
    ]);
    let pruned: Value = serde_json::from_str(&pruned).unwrap();
    assert_eq!(pruned["releases"], serde_json::json!([digest(&first)]));
    assert_eq!(pruned["images"].as_array().unwrap().len(), 1, "{pruned}");
    let listed = ok(&["release", "list", "--folder", &path]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let up = Dev::up_with(&folder, &["--release", &digest(&second)]);
    assert_eq!(answer(&up).await.0, "two");
}

#[test]
fn an_unknown_foreign_or_incomplete_release_is_refused_with_the_reason() {
    let folder = project("one");
    let path = folder.path().to_str().unwrap();
    let release = digest(&build(&folder));
    let up = |release: &str| {
        let (code, _, stderr) = fnlocal(&["up", path, "--port", "0", "--release", release]);
        (code, stderr)
    };
    let (code, stderr) = up("00000000");
    assert_eq!(code, 1);
    assert!(
        stderr.contains("there is no release `00000000`"),
        "{stderr}"
    );
    assert!(stderr.contains("hint: "), "{stderr}");

    let shown = ok(&["release", "show", &release, "--folder", path]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), shown.replace("\"shop\"", "\"shoe\"")).unwrap();
    let other = file.path().to_str().unwrap();
    let (code, stderr) = up(other);
    assert!(
        stderr.contains("of another project") || stderr.contains("of project"),
        "{stderr}"
    );
    assert_eq!(code, 64);

    std::fs::write(file.path(), "{}").unwrap();
    let (code, stderr) = up(other);
    assert_eq!(code, 1);
    assert!(stderr.contains("is not a release"), "{stderr}");

    std::fs::remove_dir_all(folder.path().join(".fnlocal/registry")).unwrap();
    let (code, stderr) = up(&release);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("the registry does not hold sha256:"),
        "{stderr}"
    );
}

/// A running `fnlocal registry`.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
            .arg("registry")
            .arg(folder.path())
            .args(["--port", "0", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["registry"].as_str().unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        signal(self.child.id(), "INT");
        assert!(self.child.wait().unwrap().success());
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container and an image, removed when dropped.
struct Pulled {
    container: String,
    image: String,
}

impl Drop for Pulled {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.container]);
        docker(&["rmi", "--force", &self.image]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_pulls_an_image_and_runs_it_without_fnlocal() {
    let folder = project("pulled");
    let built = build(&folder);
    let registry = Registry::start(&folder);
    let image = &built["images"][0];
    let name = format!(
        "{}/{}@{}",
        registry.address,
        image["repository"].as_str().unwrap(),
        image["digest"].as_str().unwrap()
    );
    docker(&["pull", "--quiet", &name]);
    let run = [
        "run",
        "--detach",
        "--env",
        "PORT=8080",
        "--publish",
        "127.0.0.1:0:8080",
        &name,
    ];
    let container = docker(&run);
    let pulled = Pulled {
        container,
        image: name,
    };
    let port = docker(&["port", &pulled.container, "8080"]);
    let url = format!("http://{}/hello", port.lines().next().unwrap());
    eventually("the container answers", async || {
        match reqwest::get(&url).await {
            Ok(answer) => answer.text().await.is_ok_and(|text| text == "pulled"),
            Err(_) => false,
        }
    })
    .await;
    // And the way back: what a client pushes can be pulled from it.
    let pushed = format!("{}/copy/of/it:v1", registry.address);
    docker(&["tag", &pulled.image, &pushed]);
    docker(&["push", "--quiet", &pushed]);
    docker(&["rmi", &pushed]);
    docker(&["pull", "--quiet", &pushed]);
    docker(&["rmi", &pushed]);
}
