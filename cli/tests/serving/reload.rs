//! Save, and the next answer is the new code's, on real Docker.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::net::TcpListener;
use std::time::Duration;

use crate::support::{Dev, Folder, eventually, header};
use serde_json::Value;

async fn text(dev: &Dev, path: &str) -> (u16, String) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn says(name: &str, word: &str) -> String {
    format!("exports.{name} = (req, res) => res.send('{word}');\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_is_served_by_the_next_request() {
    let folder = Folder::new(&[("index.js", &says("hi", "one"))]);
    let mut dev = Dev::start(&folder);
    assert_eq!(text(&dev, "/hi").await, (200, "one".into()));
    let old = reqwest::get(dev.at("/hi")).await.unwrap();
    folder.write("index.js", &says("hi", "two"));
    dev.wait_reloaded("hi");
    let new = reqwest::get(dev.at("/hi")).await.unwrap();
    assert_ne!(
        header(&old, "x-fnlocal-code"),
        header(&new, "x-fnlocal-code")
    );
    assert_eq!(new.text().await.unwrap(), "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_answers_500_with_its_location_until_the_next_save() {
    let folder = Folder::new(&[
        ("functions/good.js", &says("good", "fine")),
        ("functions/bad.js", &says("bad", "fine too")),
    ]);
    let mut dev = Dev::start(&folder);
    assert_eq!(text(&dev, "/bad").await.1, "fine too");
    folder.write(
        "functions/bad.js",
        "exports.bad = (req, res) => {\n  const a = ;\n};\n",
    );
    let told = dev.wait_for("the error", |record| record["event"] == "import_failed");
    assert_eq!(told["line"], 2, "{told}");
    assert!(
        told["frame"].as_str().unwrap().contains("const a = ;"),
        "{told}"
    );
    assert!(
        told["file"].as_str().unwrap().ends_with("functions/bad.js"),
        "{told}"
    );
    let answer = reqwest::get(dev.at("/bad")).await.unwrap();
    assert_eq!(answer.status(), 500);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["reason"], "import_failed");
    assert!(
        problem["detail"].as_str().unwrap().contains("SyntaxError"),
        "{problem}"
    );
    assert_eq!(text(&dev, "/good").await, (200, "fine".into()));
    folder.write("functions/bad.js", &says("bad", "mended"));
    crate::support::eventually("the mended code is served", async || {
        text(&dev, "/bad").await == (200, "mended".into())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_adds_and_removes_functions() {
    let folder = Folder::new(&[("index.js", &says("first", "1"))]);
    let mut dev = Dev::start(&folder);
    assert_eq!(text(&dev, "/second").await.0, 404);
    folder.write("index.js", &(says("first", "1") + &says("second", "2")));
    dev.wait_for("the new function", |record| {
        record["text"]
            .as_str()
            .is_some_and(|text| text.contains("/second"))
    });
    assert_eq!(text(&dev, "/second").await, (200, "2".into()));
    folder.write("index.js", &says("second", "2"));
    dev.wait_for("its end", |record| {
        record["text"]
            .as_str()
            .is_some_and(|text| text.contains("/first is gone"))
    });
    assert_eq!(text(&dev, "/first").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_variables_and_limits_apply_to_running_functions() {
    let code = "exports.env = (req, res) => res.send(process.env.WORD);";
    let folder = Folder::new(&[("index.js", code), (".env", "WORD=before\n")]);
    let mut dev = Dev::start(&folder);
    assert_eq!(text(&dev, "/env").await.1, "before");
    folder.write(".env", "WORD=after\n");
    dev.wait_reloaded("env");
    assert_eq!(text(&dev, "/env").await.1, "after");
    folder.write("fnlocal.toml", "[functions.env]\nrps = 1\n");
    dev.wait_reloaded("env");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(text(&dev, "/env").await.0);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_variable_fails_its_function_by_name_and_no_other() {
    let code =
        "exports.needs = (req, res) => res.send('x');\nexports.fine = (req, res) => res.send('y');";
    let config = "[functions.needs]\nenv = [\"NO_SUCH_VARIABLE_HERE\"]\n";
    let folder = Folder::new(&[("index.js", code), ("fnlocal.toml", config)]);
    let dev = Dev::start(&folder);
    let (status, body) = text(&dev, "/needs").await;
    assert_eq!(status, 500);
    assert!(body.contains("NO_SUCH_VARIABLE_HERE"), "{body}");
    assert_eq!(text(&dev, "/fine").await, (200, "y".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_of_a_missing_package_names_it_and_hints_at_npm_install() {
    let folder = Folder::new(&[("index.js", &says("hi", "one"))]);
    let mut dev = Dev::start(&folder);
    folder.write(
        "index.js",
        &(says("hi", "two") + "require('no-such-package-here');\n"),
    );
    let told = dev.wait_for("the error", |record| record["event"] == "import_failed");
    assert!(
        told["error"]
            .as_str()
            .unwrap()
            .contains("no-such-package-here"),
        "{told}"
    );
    assert!(
        told["hint"].as_str().unwrap().contains("npm install"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_code_is_saved_under_load() {
    let folder = Folder::new(&[("index.js", &says("hi", "0"))]);
    let mut dev = Dev::start(&folder);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (url, stop) = (dev.at("/hi"), stop.clone());
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut answered = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = client.get(&url).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    answer.text().await.unwrap();
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for save in 1..=200 {
        folder.write("index.js", &says("hi", &save.to_string()));
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    crate::support::eventually("the last save is served", async || {
        text(&dev, "/hi").await.1 == "200"
    })
    .await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
    let failed = |record: &&serde_json::Value| record["event"] == "died";
    dev.wait_for("a request", |record| record["event"] == "request");
    assert_eq!(dev.seen.iter().find(failed), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_dependency_is_installed_while_the_old_code_serves() {
    let uses = "const { WebSocketServer } = require('ws');\n\
                exports.hi = (req, res) => res.send(typeof WebSocketServer);\n";
    let folder = Folder::new(&[
        ("index.js", &says("hi", "plain")),
        ("package.json", r#"{"name": "grows", "version": "1.0.0"}"#),
    ]);
    let dev = Dev::start(&folder);
    assert_eq!(text(&dev, "/hi").await, (200, "plain".into()));
    // The example's lockfile, so that the very versions are known.
    let example = Folder::example("websocket");
    for file in ["package.json", "package-lock.json"] {
        let contents = std::fs::read_to_string(example.path().join(file)).unwrap();
        folder.write(file, &contents);
    }
    assert_eq!(text(&dev, "/hi").await, (200, "plain".into()));
    folder.write("index.js", uses);
    crate::support::eventually("the new dependency is there", async || {
        let (status, body) = text(&dev, "/hi").await;
        // Code that needs it is held back until it is there.
        assert_eq!(status, 200, "{body}");
        body == "function"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_and_removed_files_add_and_remove_functions() {
    let folder = Folder::new(&[("functions/first.js", &says("first", "1"))]);
    let dev = Dev::start(&folder);
    assert_eq!(text(&dev, "/second").await.0, 404);
    folder.write("functions/second.js", &says("second", "2"));
    crate::support::eventually("the new file is served", async || {
        text(&dev, "/second").await == (200, "2".into())
    })
    .await;
    folder.remove("functions/first.js");
    crate::support::eventually("the removed file is not", async || {
        text(&dev, "/first").await.0 == 404
    })
    .await;
    assert_eq!(text(&dev, "/second").await, (200, "2".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_redirected_into_the_project_does_not_cause_a_reload() {
    let folder = Folder::new(&[("index.js", "exports.hello = (req, res) => res.send('1');")]);
    let path = folder.path().join("output.txt");
    let output = std::fs::File::create(&path).unwrap();
    let mut dev = crate::support::command(folder.path(), &["--runtime", "process"])
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let records = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| line.ends_with('}'));
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let named = |name: &str| -> Vec<Value> {
        let all = records().into_iter();
        all.filter(|record| record["event"] == name).collect()
    };
    eventually("it is ready", async || !named("ready").is_empty()).await;
    let ready = named("ready").remove(0);
    let url = format!("{}/hello", ready["url"].as_str().unwrap());
    let first = reqwest::get(&url).await.unwrap();
    let code = header(&first, "x-fnlocal-code").to_owned();
    // A real save is seen, and what is written about it is not.
    folder.write("index.js", "exports.hello = (req, res) => res.send('2');");
    eventually("the save is seen", async || {
        reqwest::get(&url).await.unwrap().text().await.unwrap() == "2"
    })
    .await;
    for _ in 0..50 {
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
    }
    let last = reqwest::get(&url).await.unwrap();
    assert_ne!(header(&last, "x-fnlocal-code"), code);
    let reloads = named("reloaded").len();
    crate::support::signal(dev.id(), "INT");
    dev.wait().unwrap();
    assert_eq!(reloads, 1, "{:#?}", records());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_variable_moves_an_event_source_to_its_new_url() {
    let [before, after] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let url = |listener: &TcpListener| {
        let at = listener.local_addr().unwrap();
        format!("STREAM_URL=redis://{at}\n")
    };
    let config = "[[functions.hi.on]]\nsource = \"redis\"\nstream = \"bids\"\n\
                  url_env = \"STREAM_URL\"\n";
    let folder = Folder::new(&[
        ("index.js", &says("hi", "one")),
        ("fnlocal.toml", config),
        (".env", &url(&before)),
    ]);
    let _dev = Dev::start(&folder);
    for (listener, next) in [(before, Some(url(&after))), (after, None)] {
        let reached = tokio::task::spawn_blocking(move || listener.accept().map(drop));
        let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
        reached.expect("the source connects").unwrap().unwrap();
        if let Some(text) = next {
            folder.write(".env", &text);
        }
    }
}
