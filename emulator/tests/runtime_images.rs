//! Images against a real engine, with npm's registry.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, some in functions that are not"
)]

mod runtime_support;

use std::cell::RefCell;

use bollard::container::LogOutput;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::AttachContainerOptions;
use fnlocal_image::ImageError;
use futures_util::StreamExt;
use runtime_support::{engine, folder, images, labelled, owner, project};

/// Returns the output of a container of `image` that runs a line of JavaScript.
async fn run(image: &str, script: &str) -> String {
    let engine = engine().await;
    let docker = &engine.docker;
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["node".to_owned(), "-e".to_owned(), script.to_owned()]),
        cmd: Some(Vec::new()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ContainerCreateBody::default()
    };
    let id = docker.create_container(None, body).await.unwrap().id;
    let options = AttachContainerOptions {
        stream: true,
        stdout: true,
        stderr: true,
        ..AttachContainerOptions::default()
    };
    let mut output = docker
        .attach_container(&id, Some(options))
        .await
        .unwrap()
        .output;
    docker.start_container(&id, None).await.unwrap();
    let mut text = String::new();
    while let Some(Ok(piece)) = output.next().await {
        if let LogOutput::StdOut { message } | LogOutput::StdErr { message } = piece {
            text.push_str(&String::from_utf8_lossy(&message));
        }
    }
    docker.remove_container(&id, None).await.unwrap();
    text.trim().to_owned()
}

#[tokio::test]
async fn a_base_image_is_pulled_or_built_with_a_note_and_found_again() {
    let (engine, owner) = (engine().await, owner());
    let told = RefCell::new(Vec::new());
    let images = images(&engine, &owner);
    let base = images
        .base(fnlocal_language::usual(), &|text| {
            told.borrow_mut().push(text);
        })
        .await
        .unwrap();
    assert!(
        base.reference == "node:26-slim" || base.reference.starts_with("localhost/fnlocal/base:")
    );
    if base.reference.starts_with("localhost/fnlocal/") {
        assert!(
            told.borrow()
                .iter()
                .any(|text| text.contains("this machine's node")),
            "{told:?}"
        );
    }
    let script = "const run = (...a) => require('child_process').execFileSync(...a).toString().trim(); \
                  console.log(run('npm', ['--version'], {cwd: '/tmp', env: {...process.env, HOME: '/tmp'}})); \
                  console.log(run('sh', ['-c', 'echo shell'])); \
                  require('dns').lookup('localhost', (e, a) => console.log(a))";
    let printed = run(&base.reference, script).await;
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].contains('.'), "{printed}");
    assert_eq!(lines[1], "shell");
    assert!(lines[2].contains("1"), "{printed}");
    // Asked again, by another run, it is found and not made.
    let again = runtime_support::images(&engine, &owner)
        .base(fnlocal_language::usual(), &|_| {})
        .await
        .unwrap();
    assert_eq!(again.id, base.id);
}

#[tokio::test]
async fn packages_without_dependencies_share_an_image() {
    let (engine, owner) = (engine().await, owner());
    let images = images(&engine, &owner);
    let code = "module.exports.hi = (req, res) => res.send('hi')";
    let (one, two) = (folder(&[("index.js", code)]), folder(&[("index.js", code)]));
    let first = images
        .ensure(&project(&one).packages[0], &|_| {})
        .await
        .unwrap();
    let second = images
        .ensure(&project(&two).packages[0], &|_| {})
        .await
        .unwrap();
    assert_eq!(first, second);
    assert!(first.starts_with("localhost/fnlocal/runner:"));
    assert_eq!(labelled(&engine, &owner, None).await, []);
}

#[tokio::test]
async fn dependencies_are_installed_into_the_image_and_resolve_from_any_folder() {
    let (engine, owner) = (engine().await, owner());
    let images = images(&engine, &owner);
    // A version of its own, so that no earlier run has made the image.
    let manifest = format!(
        r#"{{"name":"a","version":"0.0.{}","dependencies":{{"ws":"8.18.0"}},"scripts":{{"prepare":"false"}}}}"#,
        owner
            .run
            .bytes()
            .fold(0u64, |sum, byte| sum * 256 + u64::from(byte))
            % 1_000_000_007
    );
    let source = folder(&[
        (
            "index.js",
            "module.exports.hi = (req, res) => res.send('hi')",
        ),
        ("package.json", &manifest),
    ]);
    let told = RefCell::new(Vec::new());
    let progress = |text| told.borrow_mut().push(text);
    let image = images
        .ensure(&project(&source).packages[0], &progress)
        .await
        .unwrap();
    assert!(
        told.borrow()
            .iter()
            .any(|text: &String| text.contains("no package-lock.json")),
        "{:?}",
        told.borrow()
    );
    let script = "console.log(require(require.resolve('ws/package.json', {paths: ['/app/0123']})).version, \
                  fs.existsSync('/fnlocal-build'), process.getuid(), \
                  Object.keys(process.env).filter((k) => /npm|CERT|TOKEN/i.test(k)).length)";
    assert_eq!(run(&image, script).await, "8.18.0 false 1000 0");
    assert_eq!(labelled(&engine, &owner, None).await, []);
    let again = images
        .ensure(&project(&source).packages[0], &|_| {})
        .await
        .unwrap();
    assert_eq!(again, image);
    let found = engine.docker.inspect_image(&image).await.unwrap();
    let labels = found.config.unwrap().labels.unwrap();
    // Of the machine and the run that made it, an image tells nothing.
    assert_eq!(
        (
            labels["fnlocal.run"].as_str(),
            labels["fnlocal.folder"].as_str()
        ),
        ("", "")
    );
    let removed = engine
        .docker
        .remove_image(
            &image,
            None::<bollard::query_parameters::RemoveImageOptions>,
            None,
        )
        .await;
    removed.unwrap();
}

#[tokio::test]
async fn a_failed_install_shows_the_error_of_npm_and_leaves_nothing() {
    let (engine, owner) = (engine().await, owner());
    let images = images(&engine, &owner);
    let source = folder(&[
        ("index.js", "module.exports.hi = () => {}"),
        (
            "package.json",
            r#"{"name":"a","dependencies":{"ws":"0.0.0-no-such-version"}}"#,
        ),
    ]);
    let error = images
        .ensure(&project(&source).packages[0], &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::Install { .. }), "{error}");
    assert!(error.to_string().contains("ETARGET"), "{error}");
    assert_eq!(labelled(&engine, &owner, None).await, []);
}

#[tokio::test]
async fn a_configured_base_image_is_never_replaced() {
    let (engine, owner) = (engine().await, owner());
    let options = fnlocal_image::ImageOptions {
        base_image: Some("127.0.0.1:1/no/such:base".to_owned()),
        project: "x".to_owned(),
        owner,
        interpreter: None,
    };
    let images = fnlocal_image::Images::new(&engine, options);
    let base = images.base(fnlocal_language::usual(), &|_| {});
    let error = base.await.unwrap_err();
    assert!(matches!(error, ImageError::NoBase { .. }));
    assert!(
        error.to_string().contains("127.0.0.1:1/no/such:base"),
        "{error}"
    );
}
