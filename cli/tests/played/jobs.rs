//! Asynchronous work on nodes: a schedule fires once, and a node that ends loses no job.

use std::collections::BTreeSet;

use super::stage::Stage;
use super::support::{Folder, eventually};

const CODE: &str = r#"
exports.tick = (event) => { console.log(`due <${event.data.due}>`); };
const sum = (text) => 'sha256:' + require('node:crypto').createHash('sha256').update(text).digest('hex');
exports.work = async (req, res) => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { n, text, wanted } = req.body;
  console.log(`${sum(text) === wanted ? 'ran' : 'broken'} <${n}>`);
  res.end();
};
"#;
const TOML: &str = r#"
name = "jobs"
[functions.tick]
schedule = "*/2 * * * * *"
signature = "event"
[functions.work]
max_instances = 1
[functions.work.async]
from_clients = true
"#;
/// More than one instance does within the time a node waits for those that run.
const JOBS: usize = 60;
/// How many of them, the last, have a body that is a file of its own.
const LARGE: usize = 5;

/// A job's body, and how the function knows that all of it has come.
fn body(number: usize) -> serde_json::Value {
    let letters = if number < JOBS - LARGE { 10 } else { 2 << 20 };
    let text: String = (0..letters)
        .map(|at| char::from(b'a' + (at * 7 % 23) as u8))
        .collect();
    let wanted = fnlocal_registry::Digest::sha256(text.as_bytes()).to_string();
    serde_json::json!({ "n": number, "text": text, "wanted": wanted })
}

/// Returns the texts in brackets after a word, in all logs, with repetitions.
fn said(stage: &Stage, nodes: &BTreeSet<String>, word: &str) -> Vec<String> {
    let begin = format!("{word} <");
    let mut found = Vec::new();
    for node in nodes {
        let log = stage.log(node);
        let texts = log.split(&begin).skip(1);
        found.extend(texts.filter_map(|text| Some(text.split_once('>')?.0.to_owned())));
    }
    found.sort();
    found
}

async fn queue_jobs(client: &reqwest::Client, url: &str) {
    for number in 0..JOBS {
        let post = client.post(url).header("x-fnlocal-invoke", "async");
        let answer = post.json(&body(number)).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_once_per_fleet_and_jobs_survive_the_node_that_accepted_them() {
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", TOML)]);
    let mut stage = Stage::new(folder, "jobs", "127.14.0.0/16", 3).await;
    let nodes: BTreeSet<String> = stage.machines.keys().cloned().collect();
    eventually("the schedule has fired three times", async || {
        said(&stage, &nodes, "due").len() >= 3
    })
    .await;
    // While nodes come one after the other it may have moved.
    let owner = || {
        let due = said(&stage, &nodes, "due");
        let last: Vec<&String> = due.iter().rev().take(3).collect();
        let fired = |node: &&String| {
            let own = said(&stage, &BTreeSet::from([(*node).clone()]), "due");
            last.iter().all(|time| own.contains(time))
        };
        nodes.iter().find(fired).cloned()
    };
    eventually("one of three fires it", async || owner().is_some()).await;
    let owner = owner().unwrap();

    let client = reqwest::Client::new();
    let unasked = client
        .post(stage.machines[&owner].at("/tick"))
        .header("x-fnlocal-invoke", "async");
    let refused = unasked.send().await.unwrap();
    assert_eq!(refused.status(), 403, "clients may only where it is said");
    queue_jobs(&client, &stage.machines[&owner].at("/work")).await;
    let before = said(&stage, &nodes, "due").len();
    let gone = serde_json::json!({ "instance": owner });
    stage.play.post("terminate", gone).await;
    let play = &stage.play;
    eventually("the lifecycle action is completed", async || {
        let calls = play.calls().await.calls;
        let mut names = calls.iter().map(|(name, _)| name.as_str());
        names.any(|name| name == "autoscaling:CompleteLifecycleAction")
    })
    .await;
    let code = stage.machines.get_mut(&owner).unwrap().stop();
    assert_eq!(code, Some(0), "{}", stage.log(&owner));
    let log = stage.log(&owner);
    assert!(log.contains("jobs were handed to other nodes"), "{log}");
    assert!(!log.contains("stay on this machine"), "{log}");
    let others = nodes.iter().filter(|node| **node != owner);
    let logs: String = others.map(|node| stage.log(node)).collect();
    let large = logs
        .matches(&format!("1 job of {owner} is run here"))
        .count();
    assert_eq!(large, LARGE, "each large body comes by itself: {logs}");

    eventually("every job has run", async || {
        let ran: BTreeSet<String> = said(&stage, &nodes, "ran").into_iter().collect();
        ran.len() == JOBS
    })
    .await;
    assert_eq!(said(&stage, &nodes, "ran").len(), JOBS, "each ran once");
    assert_eq!(said(&stage, &nodes, "broken"), [""; 0], "all came whole");
    eventually("the schedule goes on elsewhere", async || {
        said(&stage, &nodes, "due").len() >= before + 5
    })
    .await;
    fires_without_gap(&said(&stage, &nodes, "due"));
}

/// Every second second is there, and once.
fn fires_without_gap(due: &[String]) {
    let once: BTreeSet<&String> = due.iter().collect();
    assert_eq!(once.len(), due.len(), "no time fires twice: {due:?}");
    let time = |text: &String| text.parse::<jiff::Timestamp>().unwrap().as_second();
    let span = time(&due[due.len() - 1]) - time(&due[0]);
    assert_eq!(
        span,
        2 * (due.len() as i64 - 1),
        "none is left out: {due:?}"
    );
}
