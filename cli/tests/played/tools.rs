//! The daily use of a promoted release: calls, load tests, logs.

use std::process::Output;

use serde_json::{Value, json};

use super::stage::Stage;
use super::support::{Folder, eventually};
use super::under_load;

/// Writes a line for each request, so that there is one to look for.
const CODE: &str = "\
exports.rules = (req, res) => { console.log('asked by', req.query.who); res.send('the rules'); };\n\
exports.other = (req, res) => res.status(500).send('never');\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoke_loadtest_and_logs_reach_an_environment_by_name() {
    let toml = "name = \"tools\"\n";
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", toml)]);
    let mut stage = Stage::new(folder, "tools", "127.12.0.0/16", 2).await;
    // The play's balancer has a name that leads nowhere; the played one has an address.
    let address = stage.balancer.url.strip_prefix("http://").unwrap();
    let door = json!({ "address": address });
    stage.play.post("door", door).await;

    invoke_says_what_the_function_says(&stage);
    loadtest_sends_what_it_counts(&stage);
    logs_are_those_the_nodes_wrote(&stage).await;
    under_load(&mut stage, a_spot_instance_is_taken_back).await;
}

fn invoke_says_what_the_function_says(stage: &Stage) {
    let said = stage.command(&["invoke", "--env", "prod", "rules", "--path", "?who=ada"]);
    assert_eq!(text(&said), "the rules");
    let args = ["invoke", "--env", "prod", "rules", "--json"];
    let answer: Value = serde_json::from_slice(&stage.command(&args).stdout).unwrap();
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(answer["body"], "the rules", "{answer}");
    let failed = stage.output(&["invoke", "--env", "prod", "other"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}

fn loadtest_sends_what_it_counts(stage: &Stage) {
    let load = ["loadtest", "--env", "prod", "--yes", "--function", "rules"];
    let steady = ["--rate", "20", "--duration", "3s", "--json"];
    let spike = [
        "--profile",
        "spike",
        "--rate",
        "5",
        "--peak",
        "30",
        "--duration",
        "3s",
        "--json",
    ];
    for (shape, least) in [(steady.as_slice(), 50), (spike.as_slice(), 15)] {
        let report = stage.command(&[load.as_slice(), shape].concat());
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        let report = &report["report"];
        assert_eq!(report["errors"], 0, "{report}");
        assert_eq!(report["unanswered"], 0, "{report}");
        let sent = report["sent"].as_u64().unwrap();
        assert!(sent >= least, "{report}");
        assert_eq!(
            report["total"]["count"], sent,
            "each has an answer: {report}"
        );
    }
    // Nodes show their instances to nobody, so nobody can have them stopped.
    let cold = stage.output(&[load.as_slice(), &["--profile", "coldstart"]].concat());
    assert_eq!(cold.status.code(), Some(1), "{cold:?}");
    let said = String::from_utf8(cold.stderr).unwrap();
    assert!(said.contains("cold starts cannot be forced"), "{said}");
    assert!(said.contains("hint: "), "{said}");
}

async fn logs_are_those_the_nodes_wrote(stage: &Stage) {
    let group = "/fnlocal/tools/prod";
    eventually("a node has written of the call", async || {
        let mut nodes = stage.machines.keys().map(|id| stage.log(id));
        nodes.any(|log| log.contains("asked by ada") && log.contains("invocation"))
    })
    .await;
    for id in stage.machines.keys() {
        let log = stage.log(id);
        let lines: Vec<&str> = log.lines().collect();
        let sent = json!({ "group": group, "stream": id, "lines": lines });
        stage.play.post("log", sent).await;
    }
    let logs = |args: &[&str]| text(&stage.command(&[&["logs", "--env", "prod"], args].concat()));
    let shown = logs(&["rules", "--grep", "asked by ada"]);
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert!(
        shown.contains("rules") && shown.contains("│ asked by ada"),
        "{shown}"
    );

    let json = logs(&["--json", "--grep", "who=ada"]);
    let invocation: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(invocation["kind"], "invocation");
    assert_eq!(invocation["status"], 200);
    assert!(
        invocation["cpu_ms"].is_number(),
        "the wrapper's half: {invocation}"
    );
    let request = invocation["request"].as_str().unwrap();
    let of_request = logs(&["--json", "--request", request]);
    assert_eq!(
        of_request.lines().count(),
        2,
        "its line and its end: {of_request}"
    );

    // More than one part of what CloudWatch gives at once, each once.
    let all = logs(&["rules", "--json", "--since", "1h"]);
    let ended = all.lines().filter(|line| line.contains("\"invocation\""));
    let written: usize = stage
        .machines
        .keys()
        .map(|id| {
            let log = stage.log(id);
            let ours = |line: &&str| line.contains("\"invocation\"") && line.contains("\"rules\"");
            log.lines().filter(ours).count()
        })
        .sum();
    assert!(written > 60, "{written}");
    assert_eq!(ended.count(), written);
    let last = logs(&["rules", "--json", "--limit", "3"]);
    assert_eq!(last.lines().count(), 3, "{last}");
    assert!(all.ends_with(&last), "{last}");

    followed(stage, group).await;
    let nothing = stage.command(&["logs", "rulse", "--env", "prod"]);
    let said = String::from_utf8(nothing.stderr).unwrap();
    assert!(said.contains("nothing was logged of `rulse`"), "{said}");
}

async fn followed(stage: &Stage, group: &str) {
    let mut following = stage.start(&["logs", "--env", "prod", "--follow", "--grep", "later"]);
    let looks = async |least: usize| {
        eventually("it looks for more", async || {
            let calls = stage.play.calls().await.calls;
            let looks = calls
                .iter()
                .filter(|(name, _)| name == "logs:FilterLogEvents");
            looks.count() >= least
        })
        .await;
    };
    let before = stage.play.calls().await.calls;
    let before = before
        .iter()
        .filter(|(name, _)| name == "logs:FilterLogEvents");
    looks(before.count() + 1).await;
    let lines = ["not a record, but later", "{\"later\": 1}"];
    let sent = json!({ "group": group, "stream": "another", "lines": lines });
    stage.play.post("log", sent).await;
    let mut shown = following.lines();
    for line in lines {
        let said = shown.next().unwrap();
        assert!(said.contains(line), "{said}");
    }
    drop(shown);
    following.end();
}

async fn a_spot_instance_is_taken_back(stage: &mut Stage) {
    let answer = super::get(stage.at("/rules")).await;
    // The one that has the instances, so that the other has to make its own.
    let home = super::header(&answer, "x-fnlocal-node").to_owned();
    stage.machines[&home].metadata.take_back();
    let (balancer, play) = (&stage.balancer, &stage.play);
    eventually("the balancer has noticed", async || balancer.healthy() == 1).await;
    eventually("it says why it ends", async || {
        stage
            .log(&home)
            .contains("EC2 takes the spot instance back")
    })
    .await;
    // Then the group ends it, and waits for its hook.
    let gone = json!({ "instance": home });
    play.post("terminate", gone).await;
    eventually("the lifecycle action is completed", async || {
        let calls = play.calls().await.calls;
        let mut names = calls.iter().map(|(name, _)| name.as_str());
        names.any(|name| name == "autoscaling:CompleteLifecycleAction")
    })
    .await;
    let machine = stage.machines.get_mut(&home).unwrap();
    assert_eq!(machine.stop(), Some(0));
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
