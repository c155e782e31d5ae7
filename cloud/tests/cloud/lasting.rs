//! Accepted jobs run although machines are lost. `FNLOCAL_EVERY_CALL` tries more of it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use fnlocal_cloud::job_queue::{group_of, schedule_body};
use fnlocal_core::trigger::{Missed, ScheduleSpec};
use fnlocal_triggers::job_queue::JobQueue;

use super::stage::{ROOM, Stage, job, local, ordered};

/// Returns how many jobs are accepted, and how many nodes are killed meanwhile.
fn extent() -> (usize, usize) {
    match std::env::var_os("FNLOCAL_EVERY_CALL") {
        Some(_) => (10_000, 15),
        None => (600, 3),
    }
}

#[tokio::test]
async fn every_invocation_runs_although_nodes_are_killed_without_a_word() {
    local(async {
        let stage = Stage::new().await;
        let (jobs, kills) = extent();
        stage.story.run_time.set(Duration::from_millis(20));
        let mut nodes = [stage.node(), stage.node(), stage.node()];
        let mut killed = 0;
        for first in (0..jobs).step_by(10) {
            let ten = (first..first + 10).map(|number| match number % 10 {
                0 => ordered(&number.to_string(), &format!("key {}", number / 10 % 3)),
                _ => job(&number.to_string()),
            });
            let new: Vec<_> = ten.collect();
            let entry = Rc::clone(&nodes[first / 10 % 3].queue);
            entry.enqueue(new.into()).await.unwrap();
            if first / (jobs / (kills + 1)) > killed && killed < kills {
                killed += 1;
                nodes[killed % 3] = stage.node();
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        let ran = |bodies: &[String]| bodies.iter().collect::<BTreeSet<_>>().len();
        let all = async {
            while ran(&stage.bodies()) < jobs || stage.left().await > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(600), all).await;
        let bodies = stage.bodies();
        assert!(waited.is_ok(), "{} of {jobs} ran", ran(&bodies));
        let again = bodies.len() - jobs;
        println!("{jobs} accepted, {kills} nodes killed, {again} runs more than that");
        // Only jobs that ran on a killed node, or were being deleted, run once more.
        assert!(again <= kills * (2 * ROOM + 8), "{again} runs more");
        let mut by_key = BTreeMap::<usize, Vec<usize>>::new();
        for number in bodies.iter().map(|body| body.parse::<usize>().unwrap()) {
            if number % 10 == 0 {
                by_key.entry(number / 10 % 3).or_default().push(number);
            }
        }
        for (key, mut numbers) in by_key {
            numbers.dedup();
            assert!(numbers.is_sorted(), "key {key}: {numbers:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn each_of_120_firings_runs_once_while_nodes_come_and_go() {
    local(async {
        let stage = Stage::new().await;
        let spec = ScheduleSpec {
            missed: Missed::All,
            ..ScheduleSpec::cron("* * * * * *")
        };
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let second = u64::try_from(now.as_millis()).unwrap() / 1000 * 1000 - 20_000;
        let mut node = stage.node();
        for number in 0..120 {
            let due = fnlocal_triggers::event::rfc3339(second + number * 1000).unwrap();
            let body = schedule_body("work", &spec, 3_600_000, &due);
            // EventBridge may deliver more than once, too.
            for _ in 0..2 {
                let call = stage.client.send_message().queue_url(&stage.urls.jobs);
                let group = group_of("work", "order schedule");
                let call = call.message_body(&body).message_group_id(group);
                call.send().await.unwrap();
            }
            if number % 40 == 39 {
                let next = stage.node();
                node.queue.drain().await;
                node = next;
            }
        }
        stage.over(120).await;
        let ran = stage.bodies();
        assert_eq!(ran.len(), 120);
        assert_eq!(ran.iter().collect::<BTreeSet<_>>().len(), 120);
        assert!(ran.is_sorted(), "in the order in which they were due");
        assert_eq!(stage.left().await, 0);
    })
    .await;
}
