//! The queue of jobs at SQS.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use fnlocal_cloud::job_queue::{group_of, schedule_body};
use fnlocal_core::trigger::{Missed, ScheduleSpec};
use fnlocal_triggers::delivery::Disposition;
use fnlocal_triggers::job::{Accepted, NewJob, Trigger};
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::queue::{AcceptError, Selection};
use fnlocal_triggers::store::QueueStoreError;
use tokio::sync::Notify;

use super::stage::{PATIENCE, Stage, job, local, ordered, put};

#[tokio::test]
async fn a_job_runs_with_all_that_it_was_accepted_with_and_is_deleted_at_its_end() {
    local(async {
        let stage = Stage::new().await;
        let node = stage.node();
        let binary = NewJob {
            body: Bytes::from_static(&[0, 0xff, 0xfe]),
            ..job("")
        };
        let id = put(&node.queue, job("text \u{fffe}\u{0}")).await;
        put(&node.queue, binary).await;
        let runs = stage.over(2).await;
        assert!(runs.iter().all(|run| run.fate == Disposition::Done));
        let run = runs.iter().find(|run| run.head.id == id).unwrap();
        assert_eq!(run.head.headers, job("").headers);
        assert_eq!(
            (run.head.path.as_str(), run.head.attempts),
            ("/work?a=b", 0)
        );
        assert!(stage.bodies().contains(&"text \u{fffe}\u{0}".to_owned()));
        assert_eq!(stage.left().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_job_that_fails_too_often_becomes_a_dead_letter_and_runs_again_on_retry() {
    local(async {
        let stage = Stage::new().await;
        let node = stage.node();
        stage.story.failures.borrow_mut().insert("a".to_owned(), 3);
        let id = put(&node.queue, job("a")).await;
        let runs = stage.over(1).await;
        assert_eq!(runs[0].fate, Disposition::Dead);
        let listed = node.queue.list(Selection::default()).await.unwrap();
        assert_eq!(listed.len(), 1);
        let head = &listed[0].job;
        assert_eq!((head.id, head.attempts), (id, 3));
        assert_eq!(head.error.as_deref(), Some("it broke"));
        assert_eq!(&*node.queue.show(id).await.unwrap().unwrap().body, b"a");
        let other = Selection {
            function: Some("other".to_owned()),
            ..Selection::default()
        };
        let queue = Rc::clone(&node.queue);
        assert_eq!(queue.purge(other).await.unwrap(), 0);
        let queue = Rc::clone(&node.queue);
        assert_eq!(queue.retry(Selection::default()).await.unwrap(), 1);
        let runs = stage.over(2).await;
        assert_eq!(
            (runs[1].fate, runs[1].head.attempts),
            (Disposition::Done, 0)
        );
        assert!(
            node.queue
                .list(Selection::default())
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(stage.left().await, 0);
    })
    .await;
}

#[tokio::test]
async fn jobs_of_one_order_key_run_in_order_on_any_node_even_when_one_fails() {
    local(async {
        let stage = Stage::new().await;
        let queue = stage.queue();
        for number in 0..20 {
            let key = format!("key {}", number % 2);
            put(&queue, ordered(&number.to_string(), &key)).await;
        }
        stage.story.failures.borrow_mut().insert("4".to_owned(), 1);
        let _nodes = [stage.node(), stage.node()];
        stage.over(20).await;
        for odd in [0, 1] {
            let of_key = |body: &&String| body.parse::<usize>().unwrap() % 2 == odd;
            let ran = stage.bodies();
            let mut ran: Vec<usize> = ran
                .iter()
                .filter(of_key)
                .map(|body| body.parse().unwrap())
                .collect();
            ran.dedup();
            let wanted: Vec<usize> = (0..20).filter(|number| number % 2 == odd).collect();
            assert_eq!(ran, wanted, "one after the other");
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_killed_in_the_middle_of_a_run_loses_nothing() {
    local(async {
        let stage = Stage::new().await;
        let never = Rc::new(Notify::new());
        stage.story.slow.borrow_mut().insert("a".to_owned(), never);
        let killed = stage.node();
        put(&killed.queue, job("a")).await;
        stage.until(|story| !story.began.borrow().is_empty()).await;
        drop(killed);
        stage.story.slow.borrow_mut().clear();
        let _other = stage.node();
        let runs = stage.over(1).await;
        assert_eq!(runs[0].fate, Disposition::Done);
        assert_eq!(stage.bodies(), ["a", "a"]);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_longer_than_a_lease_keeps_it() {
    local(async {
        let stage = Stage::new().await;
        let end = Rc::new(Notify::new());
        let slow = ("a".to_owned(), Rc::clone(&end));
        stage.story.slow.borrow_mut().extend([slow]);
        let nodes = [stage.node(), stage.node()];
        put(&nodes[0].queue, job("a")).await;
        stage.until(|story| !story.began.borrow().is_empty()).await;
        tokio::time::sleep(stage.lease_time * 3).await;
        end.notify_one();
        stage.over(1).await;
        assert_eq!(stage.bodies(), ["a"]);
        assert_eq!(stage.left().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_drains_ends_its_runs_and_gives_back_what_it_has_not_begun() {
    local(async {
        let mut stage = Stage::new().await;
        // Longer than the test: what is not given back does not come.
        stage.lease_time = Duration::from_secs(600);
        let end = Rc::new(Notify::new());
        let slow = ("0".to_owned(), Rc::clone(&end));
        stage.story.slow.borrow_mut().extend([slow]);
        let drains = stage.node();
        let jobs = (0..3).map(|body| ordered(&body.to_string(), "one"));
        Rc::clone(&drains.queue)
            .enqueue(jobs.collect::<Vec<_>>().into())
            .await
            .unwrap();
        stage.until(|story| !story.began.borrow().is_empty()).await;
        let draining = Rc::clone(&drains.queue);
        let drained = tokio::task::spawn_local(async move { draining.drain().await });
        let _stays = stage.node();
        tokio::task::yield_now().await;
        end.notify_one();
        tokio::time::timeout(PATIENCE, drained)
            .await
            .unwrap()
            .unwrap();
        stage.over(3).await;
        let began = stage.story.began.borrow().clone();
        let of = |node, body: &str| (node, body.to_owned());
        assert_eq!(began, [of(1, "0"), of(2, "1"), of(2, "2")]);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_not_ours_becomes_a_dead_letter_with_the_reason() {
    local(async {
        let stage = Stage::new().await;
        let call = stage.client.send_message().queue_url(&stage.urls.jobs);
        let call = call.message_body("hello").message_group_id("x");
        call.send().await.unwrap();
        let node = stage.node();
        let found = async {
            loop {
                let listed = node.queue.list(Selection::default()).await.unwrap();
                if let Some(one) = listed.into_iter().next() {
                    return one.job;
                }
            }
        };
        let dead = tokio::time::timeout(PATIENCE, found).await.unwrap();
        assert!(dead.error.unwrap().contains("no job of fnlocal"));
        let chosen = Selection {
            ids: vec![dead.id],
            ..Selection::default()
        };
        assert_eq!(Rc::clone(&node.queue).purge(chosen).await.unwrap(), 1);
        assert_eq!(stage.left().await, 0);
        assert_eq!(stage.bodies(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_makes_one_job_that_has_one_number() {
    local(async {
        let stage = Stage::new().await;
        let node = stage.node();
        let keyed = |key: &str| NewJob {
            key: Some(key.to_owned()),
            ..job(key)
        };
        let first = put(&node.queue, keyed("a")).await;
        stage.over(1).await;
        assert_eq!(put(&node.queue, keyed("a")).await, first);
        let both = vec![keyed("a"), keyed("b")];
        let accepted = Rc::clone(&node.queue).enqueue(both.into()).await.unwrap();
        assert_eq!(accepted[0].id(), first);
        assert!(matches!(&accepted[1], Accepted::New(head) if head.id != first));
        stage.over(2).await;
        assert_eq!(stage.left().await, 0);
        assert_eq!(stage.bodies(), ["a", "b"]);
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_too_large_or_that_sqs_does_not_confirm_is_not_accepted() {
    local(async {
        let stage = Stage::new().await;
        let queue = stage.queue();
        let large = job(&"x".repeat(1 << 20));
        let refused = Rc::clone(&queue).enqueue(vec![large].into()).await;
        assert!(
            matches!(refused, Err(AcceptError::TooLarge(_))),
            "{refused:?}"
        );
        let mut room = Rc::clone(&queue).reserve("work", u64::MAX).unwrap();
        assert!(room.grow(500_000).is_ok());
        assert!(matches!(room.grow(600_000), Err(AcceptError::TooLarge(_))));
        let fits = job(&"x".repeat(1_000_000));
        put(&queue, fits).await;
        assert_eq!(stage.left().await, 1);
        drop(stage._play);
        let refused = Rc::clone(&queue).enqueue(vec![job("a")].into()).await;
        let Err(AcceptError::Store(QueueStoreError::Service(why, hint))) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("sqs:SendMessage"), "{why}");
        assert!(hint.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_firing_that_waited_too_long_is_treated_as_its_schedule_says() {
    local(async {
        let stage = Stage::new().await;
        let send = async |missed, due: u64| {
            let spec = ScheduleSpec {
                missed,
                ..ScheduleSpec::cron("* * * * *")
            };
            let due = fnlocal_triggers::event::rfc3339(due).unwrap();
            let body = schedule_body("work", &spec, 3_600_000, &due);
            let call = stage.client.send_message().queue_url(&stage.urls.jobs);
            let group = group_of("work", "order schedule");
            call.message_body(body)
                .message_group_id(group)
                .send()
                .await
                .unwrap();
        };
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let minute = u64::try_from(now).unwrap() / 60_000 * 60_000;
        // Of those that were missed, `Skip` runs none, and `Once` the last.
        for ago in [5, 4, 3] {
            send(Missed::Skip, minute - ago * 60_000).await;
            send(Missed::All, minute - ago * 60_000).await;
        }
        send(Missed::Skip, minute + 60_000).await;
        let _node = stage.node();
        stage.over(4).await;
        assert_eq!(stage.left().await, 0);
        let ended = stage.story.ended.borrow();
        assert!(
            ended
                .iter()
                .all(|run| run.head.trigger == Trigger::Schedule)
        );
        assert_eq!(stage.bodies().len(), 4, "{:?}", stage.bodies());
    })
    .await;
}
