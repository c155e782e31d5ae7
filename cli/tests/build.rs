//! `fnlocal build`: images that are the same wherever they are built, and run without fnlocal.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use fnlocal_emulator::project::StateDir;
use serde_json::{Value, json};
use support::Folder;
use support::images::{Alone, age, build, built, config, files, layer, manifest};

const HELLO: &str =
    "exports.hi = { func: (req, res) => res.send('hi'), config: { timeout: 5000 } };";
/// An engine that is nowhere.
const NO_ENGINE: [(&str, &str); 1] = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];

#[test]
fn copies_in_other_folders_with_other_times_give_the_same_digests() {
    let (one, two) = (Folder::example("websocket"), Folder::example("websocket"));
    age(two.path());
    let (first, second) = (built(&one, &[]), built(&two, &[]));
    assert_eq!(first["digest"], second["digest"]);
    assert_eq!(
        first["platforms"][0]["config"],
        second["platforms"][0]["config"]
    );
    for part in ["base", "deps", "wrapper", "code"] {
        assert_eq!(layer(&first, part).0, layer(&second, part).0, "{part}");
    }
    let digest = first["digest"].as_str().unwrap();
    for tag in ["latest", first["tags"][0].as_str().unwrap(), digest] {
        let named = manifest(&one, &first, tag).map(|digest| digest.to_string());
        assert_eq!(named.as_deref(), Some(digest), "{tag}");
    }
}

#[test]
fn a_changed_line_makes_a_new_code_layer_and_asks_no_engine() {
    let folder = Folder::example("websocket");
    let before = built(&folder, &[]);
    let code = std::fs::read_to_string(folder.path().join("index.js")).unwrap();
    folder.write("index.js", &format!("{code}// changed\n"));
    let (exit, report, stderr) = build(&folder, &[], &NO_ENGINE);
    assert_eq!(exit, 0, "{stderr}");
    let after = &report["images"][0];
    for part in ["base", "deps", "wrapper"] {
        assert_eq!(layer(after, part), (layer(&before, part).0, true), "{part}");
    }
    assert_ne!(layer(after, "code").0, layer(&before, "code").0);
    assert!(!layer(after, "code").1);
    // As it was, it is what it was.
    folder.write("index.js", &code);
    assert_eq!(built(&folder, &[])["digest"], before["digest"]);
}

#[test]
fn what_is_secret_ignored_or_installed_never_enters_an_image() {
    let secret = "do-not-ship-me";
    let folder = Folder::new(&[
        ("index.js", HELLO),
        (".fnlocalignore", "notes\n!certs/public.pem\n"),
        (".gitignore", "ignored.js\n"),
        ("certs/public.pem", "anybody may read this"),
    ]);
    folder.write(".env", &format!("SECRET={secret}\n"));
    for path in [
        ".env.prod",
        ".npmrc",
        ".git/config",
        ".ssh/known",
        "node_modules/x/index.js",
        "server.pem",
        "lib/id_rsa",
        "lib/tls.key",
        "notes/a.md",
        "ignored.js",
    ] {
        folder.write(path, secret);
    }
    let (exit, report, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("server.pem is left out"), "{stderr}");
    let image = &report["images"][0];
    let code = files(&folder, image, "code");
    let names: Vec<&str> = code.keys().map(String::as_str).collect();
    let expected = [
        "app/",
        "app/.fnlocalignore",
        "app/.gitignore",
        "app/certs/",
        "app/certs/public.pem",
        "app/index.js",
    ];
    assert_eq!(names, expected);
    assert!(code.values().all(|(mode, _)| [0o644, 0o755].contains(mode)));
    let shipped = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(secret);
    assert!(!code.values().any(|(_, bytes)| shipped(bytes)));
    assert!(!config(&folder, image).to_string().contains(secret));
}

#[test]
fn an_image_tells_what_it_is_and_nothing_of_the_machine() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let image = built(&folder, &[]);
    let config = config(&folder, &image);
    let labels = &config["config"]["Labels"];
    let functions: Value =
        serde_json::from_str(labels["dev.fnlocal.functions"].as_str().unwrap()).unwrap();
    assert_eq!(functions[0]["functions"][0]["name"], "hi");
    assert_eq!(
        functions[0]["functions"][0]["config"],
        json!({"timeout": 5000})
    );
    assert_eq!(labels["dev.fnlocal.source"], image["source"]);
    assert_eq!(labels["dev.fnlocal.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(config["config"]["User"], "1000:1000");
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    let here = folder.path().to_str().unwrap();
    assert!(!config.to_string().contains(here));
}

#[test]
fn a_commit_is_named_when_the_files_are_its_own() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let git = |args: &[&str]| {
        let done = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=first"]);
    let label = |image: &Value| {
        config(&folder, image)["config"]["Labels"]["org.opencontainers.image.revision"].clone()
    };
    let clean = built(&folder, &[]);
    assert_eq!(label(&clean), git(&["rev-parse", "HEAD"]));
    folder.write("new.js", "");
    let dirty = built(&folder, &[]);
    assert_eq!(label(&dirty), Value::Null);
    assert_eq!(dirty["commit"]["dirty"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_serves_alone_with_dependencies_and_native_code() {
    let manifest = json!({
        "name": "native",
        "dependencies": { "@node-rs/crc32": "1.10.6" },
        "scripts": { "prepare": "false" },
    });
    let code = "const { crc32 } = require('@node-rs/crc32');\n\
                exports.sum = (req, res) => res.json({ sum: crc32(req.query.of), uid: process.getuid() });\n\
                exports.other = (req, res) => res.send('other');\n";
    let folder = Folder::new(&[("index.js", code), ("package.json", &manifest.to_string())]);
    let (exit, report, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("no package-lock.json"), "{stderr}");
    let image = report["images"][0].clone();
    // Native code is not loaded on the host: the image itself said what it exports.
    assert_eq!(image["functions"][0]["functions"][1]["name"], "other");
    let alone = Alone::run(&folder, &image).await;
    let sum = reqwest::get(alone.url("/sum?of=hello")).await.unwrap();
    let sum: Value = sum.json().await.unwrap();
    assert_eq!(sum, json!({"sum": 907_060_870, "uid": 1000}));
    let other = reqwest::get(alone.url("/other")).await.unwrap();
    assert_eq!(other.text().await.unwrap(), "other");
}

#[test]
fn npm_failing_is_told_in_its_own_words() {
    let manifest = r#"{"name":"a","dependencies":{"ws":"0.0.0-no-such-version"}}"#;
    let folder = Folder::new(&[("index.js", HELLO), ("package.json", manifest)]);
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 1, "{stderr}");
    assert!(
        stderr.contains("ETARGET") && stderr.contains("hint:"),
        "{stderr}"
    );
}

#[test]
fn a_missing_engine_matters_only_when_it_is_needed() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let (exit, _, stderr) = build(&folder, &[], &NO_ENGINE);
    assert_eq!(exit, 0, "{stderr}");
    let manifest = r#"{"name":"a","dependencies":{"ws":"8.18.0"}}"#;
    folder.write("package.json", manifest);
    let (exit, _, stderr) = build(&folder, &[], &NO_ENGINE);
    assert_eq!(exit, 69, "{stderr}");
    assert!(stderr.contains("needs the Docker engine"), "{stderr}");
    assert!(stderr.contains("hint: start Docker"), "{stderr}");
}

#[test]
fn a_link_out_of_the_project_is_refused_by_name() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("users")).unwrap();
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 64, "{stderr}");
    assert!(stderr.contains("users links to /etc/passwd"), "{stderr}");
    assert!(stderr.contains(".fnlocalignore"), "{stderr}");
}

#[test]
fn code_that_cannot_be_imported_is_shown_with_its_place() {
    let code = "exports.hi = () => {};\nthrow new Error('not today');\n";
    let folder = Folder::new(&[("index.js", code)]);
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 1, "{stderr}");
    assert!(
        stderr.contains("index.js") && stderr.contains("not today"),
        "{stderr}"
    );
}

#[test]
fn a_second_build_names_the_first_and_dev_is_no_hindrance() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let root = folder.path().canonicalize().unwrap();
    let _dev = StateDir::lock(&root).unwrap();
    built(&folder, &[]);
    let _build = StateDir::lock_build(&root).unwrap();
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 75, "{stderr}");
    let pid = std::process::id().to_string();
    assert!(
        stderr.contains(&pid) && stderr.contains("building"),
        "{stderr}"
    );
}

#[test]
fn a_platform_the_base_does_not_have_is_an_error_that_names_it() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let (exit, _, stderr) = build(&folder, &["--platform", "linux/riscv64"], &[]);
    assert_eq!(exit, 2, "{stderr}");
    assert!(stderr.contains("linux/riscv64"), "{stderr}");
}
