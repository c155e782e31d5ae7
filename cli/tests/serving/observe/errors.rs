use serde_json::Value;

use crate::support::{Dev, Folder, eventually, fnlocal};

async fn groups(dev: &Dev) -> Vec<Value> {
    let answer = dev.look("/_fnlocal/errors").await;
    answer.json().await.unwrap()
}

async fn group(dev: &Dev, function: &str, count: u64) -> Value {
    let found = async || {
        let mut all = groups(dev).await;
        all.retain(|group| group["function"] == function);
        all
    };
    let whole = |one: &Value| one["count"] == count && one["request"]["path"].is_string();
    eventually(&format!("{count} of {function}"), async || {
        found().await.iter().any(whole)
    })
    .await;
    let all = found().await;
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

#[tokio::test]
async fn every_kind_of_failure_is_an_error_group_with_its_location_and_request() {
    let folder = Folder::example("faulty");
    let mut dev = Dev::start(&folder);
    let client = reqwest::Client::new();
    for (function, cause, name, place) in [
        ("throws", "handler", "Error", Some(4)),
        ("rejects", "handler", "Error", Some(9)),
        ("uncaught", "uncaught", "Error", Some(19)),
        ("exits", "exit", "Exit", Some(14)),
        ("never", "timeout", "TimeoutError", None),
        ("spins", "timeout", "TimeoutError", None),
        ("leaks", "out_of_memory", "OutOfMemory", None),
    ] {
        // A POST is not tried again, so that each goes wrong once.
        let answer = client
            .post(dev.at(&format!("/{function}")))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_server_error());
        let group = group(&dev, function, 1).await;
        assert_eq!(
            (&group["cause"], &group["name"]),
            (&cause.into(), &name.into()),
            "{group:#}"
        );
        assert_eq!(group["line"].as_u64(), place, "{group:#}");
        let request = &group["request"];
        assert_eq!(
            (&request["method"], &request["path"]),
            (&"POST".into(), &format!("/{function}").into())
        );
        let file = group["file"].as_str();
        assert!(
            place.is_none() || file.unwrap().ends_with("index.js"),
            "{group:#}"
        );
        assert!(
            file.is_none_or(|file| !file.contains(".fnlocal")),
            "{group:#}"
        );
    }
    dev.interrupt();
}

#[tokio::test]
async fn the_same_error_is_one_group_across_edits_and_restarts() {
    let folder = Folder::new(&[("index.js", FAILS)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    for item in ["1", "22"] {
        reqwest::get(dev.at(&format!("/fails?item={item}")))
            .await
            .unwrap();
    }
    let first = group(&dev, "fails", 2).await;
    assert_eq!((&first["line"], &first["column"]), (&2.into(), &9.into()));
    let again = dev.wait_for("the second", |record| {
        record["event"] == "error" && record["before"] == 1
    });
    let said = again["error"].as_str().unwrap();
    assert!(said.ends_with("index.js:2:9)"), "{said}");
    folder.write("index.js", &format!("// A line more.\n{FAILS}"));
    dev.wait_reloaded("fails");
    reqwest::get(dev.at("/fails?item=333")).await.unwrap();
    let edited = group(&dev, "fails", 3).await;
    assert_eq!(edited["line"], 3);
    assert_eq!(edited["id"], first["id"]);
    assert_eq!(edited["first_code"], first["last_code"]);
    assert_ne!(edited["last_code"], first["last_code"]);
    dev.interrupt();
    let path = folder.path().to_str().unwrap();
    let (code, stdout, _) = fnlocal(&["errors", "--folder", path, "--json"]);
    let groups: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &groups[0]["count"]), (0, &3.into()));
    let (_, stdout, _) = fnlocal(&["errors", "--folder", path]);
    assert!(
        stdout.contains("3 times") && stdout.contains("index.js:3:9"),
        "{stdout}"
    );
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    reqwest::get(dev.at("/fails?item=4")).await.unwrap();
    assert_eq!(
        group(&dev, "fails", 4).await["first_seen"],
        first["first_seen"]
    );
}

const FAILS: &str = "exports.fails = (req, res) => {
  throw new TypeError(`no item ${req.query.item}`);
};
";
