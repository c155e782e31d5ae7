//! Plays EC2: a project is promoted to what plays AWS, and each machine its group then holds is
//! played by a process that listens at the machine's address, which is one of this machine's own.
//!
//! A node is started with the settings in the launch template's user data, as the user data would
//! start it, but for this: `fnlocal node` is a process of the built binary, not a container of the
//! gateway image; all nodes share this machine's engine; the metadata service is a server of the
//! test, named by `AWS_EC2_METADATA_SERVICE_ENDPOINT`, and so has neither a hop limit nor the usual
//! address, which the user data's firewall rule keeps from functions; and the settings get a pace
//! that matches the played balancer, which looks ten times a second.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod balancer;
mod jobs;
mod load;
mod metadata;
#[path = "../../../cloud/tests/aws/play.rs"]
mod play;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use std::collections::BTreeSet;

use load::{Load, Report};
use reqwest::Response;
use stage::Stage;
use support::{Dev, Folder, eventually, header};

async fn get(url: String) -> Response {
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer
}

/// The answer's body and the code it came from.
async fn said(answer: Response) -> (String, String) {
    let code = header(&answer, "x-fnlocal-code").to_owned();
    (answer.text().await.unwrap(), code)
}

/// Runs something under load through the balancer, and goes on until answers came after it.
async fn under_load(stage: &mut Stage, change: impl AsyncFnOnce(&mut Stage)) -> Report {
    let load = Load::start(stage.at("/rules"));
    eventually("load runs", async || load.so_far().good > 30).await;
    change(stage).await;
    let before = load.so_far().good;
    eventually("load goes on", async || load.so_far().good > before + 30).await;
    let report = load.end().await;
    let failed = report.failed.len();
    let first = report.failed.first();
    assert_eq!(first, None, "{failed} failed, {} did not", report.good);
    assert!(report.rate >= 50.0, "{} a second", report.rate);
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_project_answers_as_in_dev_and_loses_no_request_during_promotes() {
    let mut stage = Stage::new(Folder::example("auction"), "auction", "127.10.0.0/16", 2).await;
    let members = stage.members().await;
    answers_as_in_dev(&stage).await;
    serves_on_one_node_wherever_a_request_enters(&stage).await;

    let changed = under_load(&mut stage, async |stage: &mut Stage| {
        let file = stage.folder.path().join("index.js");
        let text = std::fs::read_to_string(file).unwrap();
        let text = text.replace("the highest bid wins", "the last bid wins");
        stage.folder.write("index.js", &text);
        assert_eq!(stage.promote().await, "r000002");
        stage.all_say("release", "r000002").await;
    })
    .await;
    assert_eq!(changed.codes.len(), 2, "old and new code answered");
    let answer = get(stage.at("/rules")).await;
    assert!(answer.text().await.unwrap().contains("the last bid wins"));

    let rolled_back = under_load(&mut stage, async |stage: &mut Stage| {
        stage.command(&["rollback", "--env", "prod", "--to", "1", "--yes"]);
        stage.all_say("release", "r000001").await;
    })
    .await;
    assert_eq!(rolled_back.codes.len(), 2);
    assert_eq!(stage.members().await, members, "no machine was replaced");

    a_release_that_cannot_load_leaves_the_old_one(&mut stage).await;
    under_load(&mut stage, a_node_ends_by_its_hook).await;
    let calls = stage.play.calls().await;
    let metric = &calls.metrics[0];
    assert_eq!(metric["Namespace"], "fnlocal");
    assert_eq!(metric["MetricData"][0]["MetricName"], "MemoryCommitted");
    assert!(metric["MetricData"][0]["Value"].as_f64().unwrap() <= 100.0);
}

async fn answers_as_in_dev(stage: &Stage) {
    let dev = Dev::start(&stage.folder);
    let in_dev = said(get(dev.at("/rules")).await).await;
    let promoted = said(get(stage.at("/rules")).await).await;
    assert_eq!(promoted, in_dev);
}

async fn serves_on_one_node_wherever_a_request_enters(stage: &Stage) {
    // Nodes hear of each other within a second or two of their start.
    eventually("one node serves the function", async || {
        let mut served = BTreeSet::new();
        for machine in stage.machines.values() {
            let answer = get(machine.at("/rules")).await;
            served.insert(header(&answer, "x-fnlocal-node").to_owned());
        }
        served.len() == 1
    })
    .await;
    let forged = reqwest::Client::new()
        .get(stage.machines.values().next().unwrap().at("/rules"))
        .header("x-fnlocal-forwarded", "forged");
    assert_eq!(forged.send().await.unwrap().status(), 200);
    for machine in stage.machines.values() {
        let peers = format!("http://{}:8081/rules", machine.address.ip());
        let answer = reqwest::get(peers).await.unwrap();
        assert_eq!(answer.status(), 401, "without the key nobody is a peer");
        let view = reqwest::get(machine.at("/_fnlocal/view")).await.unwrap();
        assert_eq!(view.status(), 404);
    }
}

async fn a_release_that_cannot_load_leaves_the_old_one(stage: &mut Stage) {
    // A build may ask the image too, which is no instance.
    let broken = "if (process.env.HOME === '/tmp' && !process.argv.includes('--describe')) throw new Error('not on a node');\n\
                  exports.rules = (req, res) => res.send('broken');\n";
    stage.folder.write("index.js", broken);
    let tag = stage.promote().await;
    stage.all_say("refused", &tag).await;
    stage.all_say("release", "r000001").await;
    stage.all_say("state", "ready").await;
    let answer = get(stage.at("/rules")).await;
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("the highest bid wins")
    );
    for id in stage.machines.keys() {
        let log = stage.log(id);
        assert!(log.contains("not on a node"), "{log}");
        assert!(log.contains(&format!("{tag} cannot be served, r000001 goes on")));
    }
}

async fn a_node_ends_by_its_hook(stage: &mut Stage) {
    let answer = get(stage.at("/rules")).await;
    // The one that has the instances, so that the other has to make its own.
    let home = header(&answer, "x-fnlocal-node").to_owned();
    let gone = serde_json::json!({ "instance": home });
    stage.play.post("terminate", gone).await;
    let (play, balancer) = (&stage.play, &stage.balancer);
    eventually("the lifecycle action is completed", async || {
        let calls = play.calls().await.calls;
        let mut names = calls.iter().map(|(name, _)| name.as_str());
        names.any(|name| name == "autoscaling:CompleteLifecycleAction")
    })
    .await;
    assert_eq!(balancer.healthy(), 1);
    let machine = stage.machines.get_mut(&home).unwrap();
    assert_eq!(machine.stop(), Some(0));
}

async fn calls_only_what_its_role_allows(stage: &Stage) {
    eventually("a metric is published", async || {
        !stage.play.calls().await.metrics.is_empty()
    })
    .await;
    let calls = stage.play.calls().await.calls;
    let found = stage.aws.everything().await.unwrap();
    let mut roles = found.of_kind(fnlocal_cloud::resource::ResourceKind::Role);
    let role = serde_json::to_string(&roles.next().unwrap().resource).unwrap();
    for (action, _) in calls {
        let action = action.replace("monitoring:", "cloudwatch:");
        // Single blobs and manifests are allowed by the pull's actions.
        let is_pull = action.starts_with("registry:GET-") || action.starts_with("registry:HEAD-");
        assert!(
            is_pull || role.contains(&action),
            "{action} is not in {role}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_cannot_read_the_credentials_of_its_machine() {
    let code = r#"
const fs = require("node:fs");
const ask = async (url) => {
  try {
    const options = { method: "PUT", headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" } };
    const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(3000) });
    return { status: answer.status };
  } catch (error) {
    return { refused: String(error.cause?.code ?? error.name) };
  }
};
exports.peek = async (req, res) => res.json({
  named: await ask(req.query.url),
  variables: Object.keys(process.env).filter((name) => name.startsWith("AWS")),
  engine: fs.existsSync("/var/run/docker.sock"),
});
"#;
    let folder = Folder::new(&[("index.js", code), ("fnlocal.toml", "name = \"peek\"\n")]);
    let stage = Stage::new(folder, "peek", "127.11.0.0/16", 1).await;
    calls_only_what_its_role_allows(&stage).await;
    let machine = stage.machines.values().next().unwrap();
    let metadata = &machine.metadata;
    let used = |path: &str| metadata.asked().iter().any(|asked| asked.contains(path));
    assert!(
        used("security-credentials/played-role"),
        "the node itself has them"
    );

    let url = format!(
        "http://{}/latest/api/token/from-a-function",
        metadata.address
    );
    let answer = get(stage.at(&format!("/peek?url={url}"))).await;
    let found: serde_json::Value = answer.json().await.unwrap();
    assert!(found["named"]["refused"].is_string(), "{found}");
    assert_eq!(found["variables"], serde_json::json!([]));
    assert_eq!(found["engine"], false);
    assert!(!used("from-a-function"));
    serves_on_while_aws_refuses(&stage).await;
}

async fn serves_on_while_aws_refuses(stage: &Stage) {
    let action = "autoscaling:DescribeAutoScalingGroups";
    let calls = stage.play.calls().await.calls;
    let of_action = calls.iter().filter(|(name, _)| name == action);
    let soon = of_action.map(|(_, nth)| nth).max().unwrap() + 3;
    let denied = serde_json::json!({ "mode": "error", "code": "AccessDenied", "status": 403 });
    stage.play.fault(action, soon, denied).await;
    let id = stage.machines.keys().next().unwrap();
    let told = format!("AWS does not let you call {action}");
    eventually("the node says what is wrong", async || {
        stage.log(id).contains(&told)
    })
    .await;
    assert_eq!(stage.health(id).await["state"], "ready");
    let well = "AWS answers as it should again";
    eventually("and that it is well again", async || {
        stage.log(id).contains(well)
    })
    .await;
}
