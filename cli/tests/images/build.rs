//! `fnlocal build`: images that are the same wherever they are built, and run without fnlocal.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::Read;

use crate::support::images::{
    Alone, age, build, built, config, docker, files, given, layer, manifest,
};
use crate::support::{Dev, Folder, eventually};
use fnlocal_project::StateDir;
use serde_json::{Value, json};

const HELLO: &str =
    "exports.hi = { func: (req, res) => res.send('hi'), config: { timeout: 5000 } };";
/// An engine that is nowhere.
const NO_ENGINE: [(&str, &str); 1] = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];

#[test]
fn copies_of_a_project_with_other_paths_and_times_build_the_same_digests() {
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
fn a_changed_line_rebuilds_the_code_layer_only() {
    let folder = Folder::example("websocket");
    let before = built(&folder, &[]);
    assert_eq!(before["described"], "image");
    let code = std::fs::read_to_string(folder.path().join("index.js")).unwrap();
    folder.write("index.js", &format!("{code}// changed\n"));
    let after = built(&folder, &[]);
    for part in ["base", "deps", "wrapper"] {
        assert_eq!(
            layer(&after, part),
            (layer(&before, part).0, true),
            "{part}"
        );
    }
    assert_ne!(layer(&after, "code").0, layer(&before, "code").0);
    assert!(!layer(&after, "code").1);
    // As it was, it is what it was, and no engine is asked.
    folder.write("index.js", &code);
    let (exit, report, stderr) = build(&folder, &[], &NO_ENGINE);
    assert_eq!(exit, 0, "{stderr}");
    let again = &report["images"][0];
    assert_eq!(again["digest"], before["digest"]);
    assert_eq!(again["described"], "known");
    assert_eq!(again["functions"], before["functions"]);
}

#[test]
fn changed_code_is_described_again() {
    let code = "const { join } = require('node:path');\n\
                const timeout = (() => 5000)();\n\
                exports.hi = { func: async (req, res) => res.send(join('a')), config: { timeout } };\n";
    let folder = Folder::new(&[("index.js", code), ("late.js", "exports.late = () => 1;\n")]);
    let building = |from: &str, to: &str| {
        assert!(code.contains(from));
        folder.write("index.js", &code.replace(from, to));
        build(&folder, &[], &[])
    };
    for (from, to, timeout) in [("'a'", "'a', 'b'", 5000), ("5000", "7000", 7000)] {
        let (exit, report, stderr) = building(from, to);
        assert_eq!(exit, 0, "{stderr}");
        let image = &report["images"][0];
        assert_eq!(image["described"], "image");
        let functions = &image["functions"][0]["functions"];
        assert_eq!(functions[0]["config"], json!({"timeout": timeout}));
    }
    for (from, to, says) in [
        ("'a'", "'a", "cannot be imported"),
        ("(req, res) =>", "(req, req) =>", "cannot be imported"),
        (
            "const timeout",
            "require('./gone');\nconst timeout",
            "there is no file ./gone",
        ),
        ("(() => 5000)()", "gone()", "gone is not defined"),
    ] {
        let (exit, _, stderr) = building(from, to);
        assert_eq!(exit, 1, "{to}: {stderr}");
        assert!(stderr.contains(says), "{to}: {stderr}");
    }
}

#[test]
fn code_that_reads_its_own_source_is_described_from_the_exact_source() {
    let code = "const say = (req, res) => res.send('hi');\n\
                exports.hi = { func: say, config: { memory: 64 + String(say).length } };\n";
    let folder = Folder::new(&[("index.js", code)]);
    for said in ["hi", "hello"] {
        folder.write("index.js", &code.replace("'hi'", &format!("'{said}'")));
        let image = built(&folder, &[]);
        let config = &image["functions"][0]["functions"][0]["config"];
        let length = "(req, res) => res.send('')".len() + said.len();
        assert_eq!(config["memory"], 64 + length);
        assert_eq!(image["described"], "image");
    }
}

#[test]
fn secret_ignored_and_installed_files_never_enter_an_image() {
    let secret = "do-not-ship-me";
    let folder = Folder::new(&[
        ("index.js", HELLO),
        (".fnlocalignore", "notes\n!certs/public.pem\n"),
        (".gitignore", "generated/\n"),
        ("generated/client.js", "exports.built = true;"),
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
    ] {
        folder.write(path, secret);
    }
    let (exit, report, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("server.pem is left out"), "{stderr}");
    let image = &report["images"][0];
    let code = files(&folder, image, "code");
    let names: Vec<&str> = code.keys().map(String::as_str).collect();
    assert_eq!(listed(&folder), packed(&names));
    let expected = [
        "app/",
        "app/.fnlocalignore",
        "app/.gitignore",
        "app/certs/",
        "app/certs/public.pem",
        "app/generated/",
        "app/generated/client.js",
        "app/index.js",
    ];
    assert_eq!(names, expected);
    assert!(code.values().all(|(mode, _)| [0o644, 0o755].contains(mode)));
    let shipped = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(secret);
    assert!(!code.values().any(|(_, bytes)| shipped(bytes)));
    assert!(!config(&folder, image).to_string().contains(secret));
}

/// The files that `fnlocal build --list` names.
fn listed(folder: &Folder) -> Vec<String> {
    let (exit, listed, stderr) = build(folder, &["--list"], &NO_ENGINE);
    assert_eq!(exit, 0, "{stderr}");
    let files = listed["packages"][0]["files"].as_array().unwrap().iter();
    files
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect()
}

/// The files of an image's code.
fn packed(names: &[&str]) -> Vec<String> {
    let files = names.iter().filter(|name| !name.ends_with('/'));
    let files = files.map(|name| name.strip_prefix("app/").unwrap().to_owned());
    files.collect()
}

#[test]
fn an_image_includes_git_ignored_files_that_its_code_requires() {
    let main = "const { greet } = require('./util/greet');\n\
                const { name } = require('../generated.json');\n\
                exports.hi = { func: (req, res) => res.send(greet(name)) };";
    let folder = Folder::new(&[
        ("package.json", r#"{"main": "lib/index.js"}"#),
        (".gitignore", "lib/**/*.js\n*.json\n!package.json\n"),
        ("lib/index.js", main),
        (
            "lib/util/greet.js",
            "exports.greet = (name) => 'hi ' + name;",
        ),
        ("generated.json", r#"{"name": "Ada"}"#),
    ]);
    let image = built(&folder, &[]);
    let functions = &image["functions"][0]["functions"];
    assert_eq!(functions[0]["name"], "hi");
    let code = files(&folder, &image, "code");
    let names: Vec<&str> = code.keys().map(String::as_str).collect();
    assert!(names.contains(&"app/lib/util/greet.js"), "{names:?}");
    assert_eq!(listed(&folder), packed(&names));
}

#[test]
fn image_labels_describe_the_image_and_reveal_nothing_of_the_machine() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let image = built(&folder, &[]);
    let config = config(&folder, &image);
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["dev.fnlocal.source"], image["source"]);
    assert_eq!(labels["dev.fnlocal.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(config["config"]["User"], "1000:1000");
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    let here = folder.path().to_str().unwrap();
    assert!(!config.to_string().contains(here));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_describes_its_exports_on_request() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let image = built(&folder, &[]);
    let name = given(&folder, &image).await;
    let asked = std::process::Command::new("docker")
        .args(["run", "--rm", &name, "--describe"])
        .output();
    let said: Value = serde_json::from_slice(&asked.unwrap().stdout).unwrap();
    let function = &said["modules"][0]["functions"][0];
    assert_eq!(function["name"], "hi");
    assert_eq!(function["config"], json!({"timeout": 5000}));
    docker(&["rmi", "--force", &name]);
}

#[test]
fn code_that_fails_to_import_does_not_become_latest() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let image = built(&folder, &[]);
    folder.write("index.js", "throw new Error('not today');\n");
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 1, "{stderr}");
    let latest = manifest(&folder, &image, "latest").unwrap();
    assert_eq!(image["digest"], latest.to_string());
}

#[test]
fn an_image_names_its_commit_only_if_the_work_tree_is_clean() {
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
async fn an_image_serves_without_fnlocal_with_dependencies_and_native_code() {
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
fn a_failed_npm_install_shows_the_error_of_npm() {
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
fn only_a_build_with_changes_needs_an_engine() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    built(&folder, &[]);
    let (exit, _, stderr) = build(&folder, &[], &NO_ENGINE);
    assert_eq!(exit, 0, "{stderr}");
    folder.write("index.js", &HELLO.replace("'hi'", "'ho'"));
    let (exit, _, stderr) = build(&folder, &[], &NO_ENGINE);
    assert_eq!(exit, 69, "{stderr}");
    assert!(
        stderr.contains("for its functions needs the Docker engine"),
        "{stderr}"
    );
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
fn code_that_fails_to_import_is_reported_with_file_and_message() {
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
fn a_second_build_is_refused_with_the_pid_of_the_first_but_dev_does_not_block_a_build() {
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
fn an_unsupported_platform_is_an_error_that_names_it() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let (exit, _, stderr) = build(&folder, &["--platform", "linux/riscv64"], &[]);
    assert_eq!(exit, 2, "{stderr}");
    assert!(stderr.contains("linux/riscv64"), "{stderr}");
}

#[test]
fn pnpm_and_yarn_lock_files_are_honoured() {
    let manifest = r#"{"name":"a","version":"1.0.0","dependencies":{"ws":"8.18.0"}}"#;
    let code = "exports.hi = (req, res) => res.send(require('ws/package.json').version);";
    let integrity = "sha512-8VbfWfHLbbwu3+N6OKsOMpBdT4kXPDDB9cJk2bJ6mh9ucxdlnNvH1e+roYkKmN9Nxw2yjz7VzeO9oOz2zJ04Pw==";
    let pnpm = format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      ws:\n        specifier: 8.18.0\n        \
         version: 8.18.0\n\npackages:\n\n  ws@8.18.0:\n    resolution: {{integrity: {integrity}}}\n\n\
         snapshots:\n\n  ws@8.18.0: {{}}\n"
    );
    let yarn = format!(
        "# yarn lockfile v1\n\n\nws@8.18.0:\n  version \"8.18.0\"\n  resolved \
         \"https://registry.yarnpkg.com/ws/-/ws-8.18.0.tgz#0d7505a6eafe2b0e712d232b42279f53bc289bbc\"\n  \
         integrity {integrity}\n"
    );
    for (name, lock) in [("pnpm-lock.yaml", &pnpm), ("yarn.lock", &yarn)] {
        let files_ = [("index.js", code), ("package.json", manifest), (name, lock)];
        let (one, two) = (Folder::new(&files_), Folder::new(&files_));
        let (exit, report, stderr) = build(&one, &[], &[]);
        assert_eq!(exit, 0, "{name}: {stderr}");
        assert!(!stderr.contains("cannot be repeated"), "{name}: {stderr}");
        let image = &report["images"][0];
        assert_eq!(
            layer(&built(&two, &[]), "deps"),
            layer(image, "deps"),
            "{name}"
        );
        let deps = files(&one, image, "deps");
        assert!(deps.contains_key("node_modules/ws") || deps.contains_key("node_modules/ws/"));
        // A lock file that does not fit is an error, as it is in CI.
        let other = manifest.replace("8.18.0", "8.18.1");
        one.write("package.json", &other);
        let (exit, _, stderr) = build(&one, &[], &[]);
        assert_eq!(exit, 1, "{name}: {stderr}");
    }
}

/// Lock files of a workspace whose member `app` depends on its member `ms`.
const WORKSPACE_LOCKS: [(&str, &str, &str); 4] = [
    (
        "package-lock.json",
        "^1.0.0",
        r#"{"name": "all", "lockfileVersion": 3, "requires": true, "packages": {
            "": {"name": "all", "workspaces": ["packages/*"]},
            "node_modules/app": {"resolved": "packages/app", "link": true},
            "node_modules/ms": {"resolved": "packages/ms", "link": true},
            "packages/app": {"name": "app", "version": "1.0.0", "dependencies": {"ms": "^1.0.0"}},
            "packages/ms": {"name": "ms", "version": "1.0.0"}}}"#,
    ),
    (
        "pnpm-lock.yaml",
        "workspace:^",
        "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\n\
         importers:\n\n  .: {}\n\n  packages/app:\n    dependencies:\n      ms:\n        \
         specifier: workspace:^\n        version: link:../ms\n\n  packages/ms: {}\n",
    ),
    ("yarn.lock", "^1.0.0", "# yarn lockfile v1\n\n\n"),
    (
        "yarn.lock",
        "workspace:*",
        "# This file is generated by running \"yarn install\" inside your project.\n\
         # Manual changes might be lost - proceed with caution!\n\n\
         __metadata:\n  version: 8\n  cacheKey: 10c0\n\n\
         \"all@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"all@workspace:.\"\n  \
         languageName: unknown\n  linkType: soft\n\n\
         \"app@workspace:packages/app\":\n  version: 0.0.0-use.local\n  \
         resolution: \"app@workspace:packages/app\"\n  dependencies:\n    ms: \"workspace:*\"\n  \
         languageName: unknown\n  linkType: soft\n\n\
         \"ms@workspace:*, ms@workspace:packages/ms\":\n  version: 0.0.0-use.local\n  \
         resolution: \"ms@workspace:packages/ms\"\n  languageName: unknown\n  linkType: soft\n",
    ),
];

#[test]
fn a_workspace_member_is_installed_from_the_lock_file_of_any_package_manager() {
    for (lock, spec, text) in WORKSPACE_LOCKS {
        let app =
            format!(r#"{{"name": "app", "version": "1.0.0", "dependencies": {{"ms": "{spec}"}}}}"#);
        let manager = match text.contains("__metadata") {
            true => r#""packageManager": "yarn@4.5.0", "#,
            false => "",
        };
        let root =
            format!(r#"{{"name": "all", {manager}"private": true, "workspaces": ["packages/*"]}}"#);
        let folder = Folder::new(&[
            ("package.json", &root),
            (lock, text),
            ("packages/app/package.json", &app),
            (
                "packages/app/index.js",
                "exports.hi = { func: () => {}, config: { timeout: require('ms') } };",
            ),
            (
                "packages/ms/package.json",
                r#"{"name": "ms", "version": "1.0.0", "scripts": {"prepare": "false"}}"#,
            ),
            ("packages/ms/index.js", "module.exports = 4321;"),
            ("packages/ms/.npmrc", "//host/:_authToken=do-not-ship-me"),
        ]);
        if lock.starts_with("pnpm") {
            folder.write("pnpm-workspace.yaml", "packages:\n  - packages/*\n");
        }
        let (exit, report, stderr) = build(&folder, &[], &[]);
        assert_eq!(exit, 0, "{lock} {spec}: {stderr}");
        assert!(!stderr.contains("cannot be repeated"), "{lock}: {stderr}");
        let images = report["images"].as_array().unwrap();
        assert_eq!(images.len(), 1, "{lock}: {report:#}");
        let functions = &images[0]["functions"][0]["functions"];
        assert_eq!(functions[0]["config"], json!({"timeout": 4321}), "{lock}");
        let deps = files(&folder, &images[0], "deps");
        let own = "node_modules/.workspace/packages/ms/index.js";
        assert!(deps.contains_key(own), "{lock}: {:?}", deps.keys());
        let secret = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("do-not-ship-me");
        assert!(!deps.values().any(|(_, bytes)| secret(bytes)), "{lock}");
        // The same again, from nothing.
        std::fs::remove_dir_all(folder.path().join(".fnlocal")).unwrap();
        let again = built(&folder, &[]);
        assert_eq!(
            layer(&again, "deps").0,
            layer(&images[0], "deps").0,
            "{lock}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_dockerfile_is_built_only_if_it_starts_the_wrapper() {
    let base = Folder::new(&[("index.js", HELLO)]);
    let name = given(&base, &built(&base, &[])).await;
    let code = "exports.hi = (req, res) => res.send(require('fs').readFileSync('/made', 'utf8'));";
    let dockerfile = format!(
        "FROM {name}\nUSER 0\nRUN echo -n by hand > /made\nWORKDIR /app\nCOPY index.js ./\nUSER 1000:1000\n"
    );
    let folder = Folder::new(&[("index.js", code)]);
    folder.write(
        "Dockerfile",
        &format!("{dockerfile}ENTRYPOINT [\"node\", \"index.js\"]\n"),
    );
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 64, "{stderr}");
    assert!(stderr.contains("it starts `node index.js`"), "{stderr}");
    let right = "ENTRYPOINT [\"node\", \"/fnlocal/runner.cjs\"]";
    assert!(stderr.contains(right), "{stderr}");
    folder.write("Dockerfile", &format!("{dockerfile}{right}\n"));
    let image = built(&folder, &[]);
    assert_eq!(image["functions"][0]["functions"][0]["name"], "hi");
    let alone = Alone::run(&folder, &image).await;
    let answer = reqwest::get(alone.url("/hi")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "by hand");
    folder.write("Dockerfile", &format!("{dockerfile}RUN false\n"));
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 1, "{stderr}");
    assert!(stderr.contains("RUN false"), "{stderr}");
    drop(alone);
    let of = image["repository"].as_str().unwrap().replace('/', "-");
    docker(&[
        "rmi",
        "--force",
        &format!("localhost/fnlocal/{of}:dockerfile"),
        &name,
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_image_from_a_registry_keeps_its_digests_for_every_platform() {
    let theirs = tempfile::tempdir().unwrap();
    let store = fnlocal_registry::Store::open(theirs.path()).unwrap();
    let usual = Folder::new(&[("index.js", HELLO)]);
    let pushed = two_platforms(&store, &base_of(&usual));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let options = fnlocal_registry::HttpOptions::default();
    let serving = tokio::spawn(fnlocal_registry::serve(
        store,
        listener,
        options,
        stop.clone(),
    ));
    let toml = format!("[build]\nbase_image = \"{address}/some/base:1\"\n");
    let cache = tempfile::tempdir().unwrap();
    let folder = Folder::new(&[("index.js", HELLO), ("fnlocal.toml", &toml)]);
    let both = ["--platform", "linux/amd64,linux/arm64"];
    let building = tokio::task::spawn_blocking(move || {
        let env = [("XDG_CACHE_HOME", cache.path().to_str().unwrap())];
        let (exit, report, stderr) = build(&folder, &both, &env);
        assert_eq!(exit, 0, "{stderr}");
        (folder, report["images"][0].clone())
    });
    let (folder, image) = building.await.unwrap();
    let platforms = image["platforms"].as_array().unwrap();
    let digests = |part: &str| {
        let layers = platforms
            .iter()
            .flat_map(|one| one["layers"].as_array().unwrap());
        let layers = layers.filter(|layer| layer["part"] == part);
        let digests = layers.map(|layer| layer["digest"].as_str().unwrap().to_owned());
        digests.collect::<Vec<String>>()
    };
    assert_eq!(digests("base"), pushed, "the base's digests are kept");
    assert_eq!(digests("code")[0], digests("code")[1]);
    let index = manifest(&folder, &image, "latest").unwrap();
    assert_eq!(image["digest"], index.to_string());
    stop.cancel();
    serving.await.unwrap();
}

/// Paths in which `node` is another one each time, by its place and its bytes.
fn two_nodes(elsewhere: &std::path::Path) -> [String; 2] {
    let path = std::env::var("PATH").unwrap();
    let mut node = std::env::split_paths(&path).map(|folder| folder.join("node"));
    let node = node.find(|node| node.is_file()).unwrap();
    let copy = elsewhere.join("node");
    std::fs::copy(node, &copy).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&copy)
        .unwrap();
    std::io::Write::write_all(&mut file, b"another").unwrap();
    [path.clone(), format!("{}:{path}", elsewhere.display())]
}

#[test]
fn a_base_built_from_the_local_node_js_is_rebuilt_for_another_node_js() {
    let (cache, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [before, after] = two_nodes(elsewhere.path());
    let base = |folder: &Folder, path: &str| {
        let env = [
            ("XDG_CACHE_HOME", cache.path().to_str().unwrap()),
            ("PATH", path),
        ];
        let (exit, report, stderr) = build(folder, &[], &env);
        assert_eq!(exit, 0, "{stderr}");
        layer(&report["images"][0], "base").0
    };
    let folder = Folder::new(&[("index.js", HELLO)]);
    let first = base(&folder, &before);
    let second = base(&folder, &after);
    assert_ne!(
        first, second,
        "the project remembers no base of another node"
    );
    assert_eq!(base(&folder, &after), second);
    let other = Folder::new(&[("index.js", HELLO)]);
    assert_eq!(base(&other, &before), first, "nor does the person's cache");
}

/// The layers of the base that images have here, which has node.
fn base_of(folder: &Folder) -> Vec<Vec<u8>> {
    let image = built(folder, &[]);
    let repository = image["repository"].as_str().unwrap().parse().unwrap();
    let layers = image["platforms"][0]["layers"].as_array().unwrap().iter();
    let base = layers.filter(|layer| layer["part"] == "base");
    base.map(|layer| {
        let digest = layer["digest"].as_str().unwrap().parse().unwrap();
        let blob = crate::support::images::store(folder).blob(&repository, &digest);
        let mut bytes = Vec::new();
        blob.unwrap().unwrap().0.read_to_end(&mut bytes).unwrap();
        bytes
    })
    .collect()
}

/// An image for two platforms as `some/base:1`: for this machine's with layers that are given, for
/// the other with one that is nothing; all their layers.
fn two_platforms(store: &fnlocal_registry::Store, here: &[Vec<u8>]) -> Vec<String> {
    use fnlocal_registry::{Digest, RepositoryName};
    use std::io::Write;
    let repository: RepositoryName = "some/base".parse().unwrap();
    let keep = |bytes: &[u8]| {
        let mut writer = store.writer().unwrap();
        writer.write_all(bytes).unwrap();
        writer.commit(&repository, None).unwrap().digest
    };
    let image = "application/vnd.oci.image.manifest.v1+json";
    let (mut manifests, mut layers) = (Vec::new(), Vec::new());
    let own = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    };
    for architecture in ["amd64", "arm64"] {
        let gzips = if architecture == own {
            here.to_vec()
        } else {
            vec![small_layer()]
        };
        let diff_ids: Vec<String> = gzips.iter().map(diff_id).collect();
        let layer = |gzip: &Vec<u8>| {
            json!({
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "digest": keep(gzip).to_string(), "size": gzip.len(),
            })
        };
        let of_image: Vec<Value> = gzips.iter().map(layer).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string();
        let made = json!({
            "schemaVersion": 2, "mediaType": image,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": keep(config.as_bytes()).to_string(), "size": config.len(),
            },
            "layers": of_image,
        });
        let made = made.to_string();
        let digest = Digest::sha256(made.as_bytes());
        let reference = digest.clone().into();
        store
            .put_manifest(&repository, &reference, image, made.as_bytes())
            .unwrap();
        manifests.push(json!({
            "mediaType": image, "digest": digest.to_string(), "size": made.len(),
            "platform": {"architecture": architecture, "os": "linux"},
        }));
        let digests = of_image
            .iter()
            .map(|layer| layer["digest"].as_str().unwrap().to_owned());
        layers.extend(digests);
    }
    let index = "application/vnd.oci.image.index.v1+json";
    let made = json!({"schemaVersion": 2, "mediaType": index, "manifests": manifests}).to_string();
    let tag = "1".parse().unwrap();
    store
        .put_manifest(&repository, &tag, index, made.as_bytes())
        .unwrap();
    layers
}

/// The digest of a packed layer's tar.
fn diff_id(gzip: &Vec<u8>) -> String {
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(gzip.as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    fnlocal_registry::Digest::sha256(&tar).to_string()
}

/// A layer with one file.
fn small_layer() -> Vec<u8> {
    use std::io::Write;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    tar.append_data(&mut header, "which", &b"x"[..]).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn a_large_image_causes_a_warning_that_names_its_largest_files() {
    use fnlocal_image::build::{BuildOptions, BuildProgress, run};
    let large = "x".repeat(100_000);
    let folder = Folder::new(&[("index.js", HELLO), ("data/big.txt", &large)]);
    let options = BuildOptions {
        path: folder.path().to_owned(),
        platforms: Vec::new(),
        pull: false,
        large: 50_000,
    };
    let told = std::cell::RefCell::new(Vec::new());
    let tell = |news| {
        if let BuildProgress::Warning(warning) = news {
            told.borrow_mut().push(warning.text);
        }
    };
    run(&options, &tell).await.unwrap();
    let told = told.into_inner().join("\n");
    assert!(
        told.contains("the largest files are app/data/big.txt"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_builds_the_image_in_advance_and_after_a_save() {
    let folder = Folder::new(&[("index.js", HELLO), ("package.json", r#"{"name":"ahead"}"#)]);
    let dev = Dev::start(&folder);
    let named = json!({"repository": "ahead/ahead"});
    let latest = || manifest(&folder, &named, "latest");
    eventually("an image is built", async || latest().is_some()).await;
    let first = latest();
    // `build` beside it finds that there is nothing to do.
    let image = built(&folder, &[]);
    assert_eq!(
        first.map(|digest| digest.to_string()).as_deref(),
        image["digest"].as_str()
    );
    assert!(layer(&image, "code").1);
    folder.write("index.js", &HELLO.replace("'hi'", "'ho'"));
    eventually("the saved state is built", async || {
        latest().is_some_and(|now| image["digest"] != now.to_string())
    })
    .await;
    drop(dev);
}
