//! Promote, again, another line, back, and away with it.

use std::process::Stdio;

use serde_json::Value;

use super::cloud::{Cloud, Ended, small_program};
use super::support::{eventually, signal};

fn steps(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().unwrap().iter();
    steps
        .map(|step| step["resource"]["kind"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_first_promote_creates_all_resources_and_a_second_changes_nothing() {
    let cloud = Cloud::new();
    let shown = cloud.run(&["promote", "--plan"]);
    assert_eq!(shown.code, 3, "{shown:?}");
    for said in [
        "+ auto-scaling group fnlocal-auction-prod",
        "a month",
        "warning: ",
    ] {
        assert!(
            shown.stdout.contains(said),
            "no `{said}` in {}",
            shown.stdout
        );
    }
    assert!(
        !cloud
            .play
            .calls()
            .await
            .calls
            .iter()
            .any(|(action, _)| action.contains(":Create"))
    );

    // With this very program for the nodes.
    let promoted = cloud.run(&["promote", "--yes"]);
    assert_eq!(promoted.code, 0, "{promoted:?}");
    let said = &promoted.stdout;
    assert!(said.contains("http://fnlocal-auction-prod-"), "{said}");
    assert!(said.contains("fnlocal status --env prod"), "{said}");
    assert!(
        promoted.stderr.contains("18/18 current release"),
        "{promoted:?}"
    );

    cloud.play.clear().await;
    let again = cloud.run(&["promote"]);
    assert_eq!(again.code, 0, "nobody is asked about nothing: {again:?}");
    assert!(again.stdout.contains("no changes"), "{again:?}");
    assert_eq!(cloud.play.calls().await.blobs, 0, "no layer is sent");
    assert_eq!(cloud.run(&["promote", "--plan"]).code, 0);

    let status = cloud.json(&["status"]);
    assert!(status["release"].as_str().unwrap().starts_with("r000001@"));
    assert_eq!(status["nodes"].as_array().unwrap().len(), 2, "{status}");
    assert_eq!(status["nodes"][0]["current"], true, "{status}");
    assert!(status["cost"]["so_far"].as_f64().unwrap() < 1.0, "{status}");
    let text = cloud.run(&["status", "--env", "prod"]).stdout;
    assert!(
        text.contains("release    r000001") && text.contains("of 2 take"),
        "{text}"
    );
}

#[tokio::test]
async fn a_changed_line_uploads_one_layer_and_can_be_rolled_back() {
    let cloud = Cloud::new();
    cloud.promote(&["--yes", "--json"]).json();
    let code = std::fs::read_to_string(cloud.folder.path().join("index.js")).unwrap();
    cloud
        .folder
        .write("index.js", &format!("{code}\n// another line\n"));
    cloud.play.clear().await;
    let promoted = cloud.promote(&["--yes", "--json"]).json();
    assert_eq!(
        steps(&promoted["plan"]),
        ["image", "release", "current_release"]
    );
    // The code's layer and what names it.
    assert_eq!(promoted["sent"]["blobs"], 2, "{promoted}");
    assert!(cloud.play.calls().await.bytes < 20_000);

    let asked = cloud.run(&["rollback", "--env", "prod"]);
    asked.refused(2, "no terminal to ask", "--yes");
    let back = cloud.json(&["rollback", "--yes"]);
    assert_eq!(steps(&back["plan"]), ["current_release"]);
    let status = cloud.json(&["status"]);
    assert!(status["release"].as_str().unwrap().starts_with("r000001@"));
    cloud.json(&["rollback", "--to", "2", "--yes"]);
    let listed = cloud.run(&["release", "list", "--env", "prod"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{listed:?}");
    assert!(lines[0].starts_with("* r000002  ") && lines[0].contains("bid"));
    assert!(lines[1].starts_with("  r000001  "));
    let json = cloud.json(&["release", "list", "--env", "prod"]);
    assert_eq!(json[0]["runs"], true, "{json}");
    assert_eq!(json[1]["tag"], "r000001", "{json}");
    let gone = cloud.run(&["rollback", "--to", "9", "--yes"]);
    gone.refused(1, "there is no release r000009", "fnlocal status");

    // A load test asks before it sends load to other machines, and shows the target.
    let load = cloud.run(&["loadtest", "--env", "prod"]);
    assert!(load.stderr.contains("fnlocal-auction-prod-"), "{load:?}");
    assert_ne!(load.code, 0);
}

#[tokio::test]
async fn a_saved_plan_is_applied_exactly_or_refused() {
    let cloud = Cloud::new();
    let planned = cloud.promote(&["--plan", "--plan-file", "plan.json"]);
    assert_eq!(planned.code, 3, "{planned:?}");
    let changed = cloud.promote(&["--plan-file", "plan.json", "--renew", "--yes"]);
    changed.refused(2, "--renew changes the plan", "--plan");
    let done = cloud
        .promote(&["--plan-file", "plan.json", "--yes", "--json"])
        .json();
    assert_eq!(done["changes"], 18);
    // Once it is done, things are not as they were when it was made.
    let again = cloud.promote(&["--plan-file", "plan.json", "--yes"]);
    again.refused(75, "has changed since the plan was made", "new plan");
    cloud.folder.write("plan.json", "{}");
    let none = cloud.promote(&["--plan-file", "plan.json", "--yes"]);
    none.refused(1, "plan.json is not a plan", "--plan-file");
}

#[tokio::test]
async fn destroy_deletes_everything_and_reports_it() {
    let cloud = Cloud::new();
    cloud.promote(&["--yes", "--json"]).json();
    let asked = cloud.run(&["destroy", "--env", "prod"]);
    asked.refused(2, "no terminal to ask", "--plan");
    assert_eq!(cloud.run(&["destroy", "--env", "prod", "--plan"]).code, 3);

    // At a terminal the project's name has to be written.
    assert_eq!(at_a_terminal(&cloud, "yes").code, 1);
    assert_eq!(
        cloud.json(&["status"])["nodes"].as_array().unwrap().len(),
        2
    );
    let destroyed = at_a_terminal(&cloud, "auction");
    assert_eq!(destroyed.code, 0, "{destroyed:?}");
    assert!(
        destroyed
            .stdout
            .contains("nothing that bears its tags is left")
    );

    let status = cloud.json(&["status"]);
    assert_eq!(status["release"], Value::Null);
    assert_eq!(status["url"], Value::Null);
    let again = cloud.run(&["destroy", "--env", "prod", "--yes"]);
    assert!(
        again.stdout.contains("nothing of `prod` is there"),
        "{again:?}"
    );
    assert_eq!(again.code, 0);
}

/// `destroy`, by somebody who answers at a terminal that util-linux's `script` makes.
fn at_a_terminal(cloud: &Cloud, answer: &str) -> Ended {
    use std::io::Write as _;
    let program = env!("CARGO_BIN_EXE_fnlocal");
    let like = cloud.command(&[]);
    let mut script = std::process::Command::new("script");
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let mut script = script
        .args([
            "-qec",
            &format!("{program} destroy --env prod"),
            "/dev/null",
        ])
        .current_dir(cloud.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Open until the end: with its input, `script` ends the terminal.
    let mut input = script.stdin.take().unwrap();
    input.write_all(format!("{answer}\n").as_bytes()).unwrap();
    let ended = Ended::of(script.wait_with_output().unwrap());
    drop(input);
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_promote_reports_its_step_and_the_next_one_continues() {
    let cloud = Cloud::new();
    let action = "autoscaling:CreateAutoScalingGroup";
    let hold = serde_json::json!({ "mode": "hold" });
    cloud.play.fault(action, 1, hold).await;
    let promoting = cloud
        .command(&["promote", "--yes", "--node-binary", small_program()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the call that is held", async || {
        let calls = cloud.play.calls().await.calls;
        calls.iter().any(|(called, _)| called == action)
    })
    .await;
    signal(promoting.id(), "INT");
    let interrupted = Ended::of(promoting.wait_with_output().unwrap());
    interrupted.refused(
        130,
        "interrupted at step 15 of 18 (auto-scaling group fnlocal-auction-prod)",
        "continue with `fnlocal promote --env prod`",
    );
    cloud.play.go().await;
    cloud.promote(&["--yes", "--json"]).json();
    let shown = cloud.promote(&["--plan"]);
    assert!(shown.stdout.contains("no changes"), "{shown:?}");
}
