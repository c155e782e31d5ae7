//! Sources against the real servers, through a restart of each: none of 1,000 events is lost.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "support/servers.rs"]
mod servers;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use fnlocal_core::trigger::SourceKind;
use fnlocal_triggers::job::Trigger;
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::queue::Selection;
use fnlocal_triggers::source::SourceHealth;
use fnlocal_triggers::sources::{FolderSource, Postgres, RedisStream};
use servers::{PostgresServer, RedisServer};
use support::{Taking, local};
use tokio_postgres::NoTls;

const EVENTS: usize = 1000;

fn all() -> BTreeSet<String> {
    (0..EVENTS).map(|number| number.to_string()).collect()
}

async fn add_to_stream(server: &RedisServer, numbers: std::ops::Range<usize>) {
    let client = redis::Client::open(server.url()).unwrap();
    // Each is synced to a disk others may be busy with.
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&patient);
    let mut connection = connecting.await.unwrap();
    for number in numbers {
        let mut add = redis::cmd("XADD");
        add.arg("bids").arg("*").arg("data").arg(number);
        loop {
            match add.query_async::<String>(&mut connection).await {
                Ok(_id) => break,
                // The server was started a moment ago.
                Err(error)
                    if error.kind()
                        == redis::ErrorKind::Server(redis::ServerErrorKind::BusyLoading) =>
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_redis_stream_delivers_every_event_across_a_restart() {
    local(async {
        let mut server = RedisServer::start();
        let source = RedisStream {
            url: server.url(),
            stream: "bids".to_owned(),
            group: "shop".to_owned(),
            batch: 50,
            abandoned: Duration::from_secs(60),
        };
        let taking = Taking::of(
            Box::new(source),
            Trigger::Source(SourceKind::Redis),
            1 << 20,
        );
        add_to_stream(&server, 0..EVENTS / 2).await;
        // In the middle of being read.
        taking.until(|ran| ran.len() > 100).await;
        server.kill();
        taking
            .until_health(|health| matches!(health, SourceHealth::Unreachable { .. }))
            .await;
        server.restart();
        add_to_stream(&server, EVENTS / 2..EVENTS).await;
        taking.until(|ran| ran.len() >= EVENTS).await;
        assert_eq!(taking.ran(), all());
        assert_eq!(taking.runs(), EVENTS, "each ran once");
    })
    .await;
}

#[tokio::test]
async fn nodes_share_a_redis_group_and_take_over_pending_events_of_a_dead_one() {
    local(async {
        let server = RedisServer::start();
        let source = || {
            Box::new(RedisStream {
                url: server.url(),
                stream: "bids".to_owned(),
                group: "shop".to_owned(),
                batch: 10,
                abandoned: Duration::from_millis(500),
            })
        };
        add_to_stream(&server, 0..5).await;
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let commands = [
            "XGROUP CREATE bids shop 0",
            "XREADGROUP GROUP shop dead COUNT 5 STREAMS bids >",
        ];
        for command in commands {
            let mut words = command.split(' ');
            let mut asked = redis::cmd(words.next().unwrap());
            for word in words {
                asked.arg(word);
            }
            let _given: redis::Value = asked.query_async(&mut connection).await.unwrap();
        }
        let nodes = [
            Taking::of(source(), Trigger::Source(SourceKind::Redis), 1 << 20),
            Taking::of(source(), Trigger::Source(SourceKind::Redis), 1 << 20),
        ];
        add_to_stream(&server, 5..EVENTS).await;
        let ran = || {
            nodes
                .iter()
                .flat_map(Taking::ran)
                .collect::<BTreeSet<String>>()
        };
        let patience = Duration::from_secs(60);
        let all_ran = async {
            while ran().len() < EVENTS {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(patience, all_ran).await;
        waited.unwrap_or_else(|_| panic!("{} ran", ran().len()));
        assert_eq!(ran(), all());
        let runs = nodes.iter().map(Taking::runs);
        assert!(runs.clone().all(|runs| runs > 0), "both take some");
        assert_eq!(runs.sum::<usize>(), EVENTS, "each ran on one node only");
    })
    .await;
}

#[tokio::test]
async fn nodes_share_an_outbox_and_each_row_runs_on_one_node() {
    local(async {
        let server = PostgresServer::start();
        let sql = "CREATE TABLE outbox (id bigserial PRIMARY KEY, payload jsonb NOT NULL)";
        let client = server.connect().await;
        client.batch_execute(sql).await.unwrap();
        let source = || {
            Box::new(Postgres {
                url: server.url(),
                channel: "bids".to_owned(),
                outbox: Some("outbox".to_owned()),
                batch: 10,
            })
        };
        let nodes = [
            Taking::of(source(), Trigger::Source(SourceKind::Postgres), 1 << 20),
            Taking::of(source(), Trigger::Source(SourceKind::Postgres), 1 << 20),
        ];
        for node in &nodes {
            node.until_health(|health| *health == SourceHealth::Reading)
                .await;
        }
        let insert = format!(
            "INSERT INTO outbox (payload) SELECT to_jsonb(n) FROM generate_series(0, {}) n; \
             NOTIFY bids",
            EVENTS - 1
        );
        client.batch_execute(&insert).await.unwrap();
        let ran = || {
            nodes
                .iter()
                .flat_map(Taking::ran)
                .collect::<BTreeSet<String>>()
        };
        let all_ran = async {
            while ran().len() < EVENTS {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), all_ran).await;
        waited.unwrap_or_else(|_| panic!("{} ran", ran().len()));
        assert_eq!(ran(), all());
        let runs = nodes.iter().map(Taking::runs);
        assert_eq!(runs.sum::<usize>(), EVENTS, "each ran on one node only");
    })
    .await;
}

#[tokio::test]
async fn a_postgres_outbox_delivers_every_event_across_a_restart() {
    local(async {
        let mut server = PostgresServer::start();
        let sql = "CREATE TABLE outbox (id bigserial PRIMARY KEY, payload jsonb NOT NULL)";
        server.connect().await.batch_execute(sql).await.unwrap();
        let source = Postgres {
            url: server.url(),
            channel: "bids".to_owned(),
            outbox: Some("outbox".to_owned()),
            batch: 50,
        };
        let taking = Taking::of(Box::new(source), Trigger::Source(SourceKind::Postgres), 1 << 20);
        let insert = |from: usize, to: usize| {
            format!(
                "INSERT INTO outbox (payload) SELECT to_jsonb(n) FROM generate_series({from}, {}) n; \
                 NOTIFY bids",
                to - 1
            )
        };
        server.connect().await.batch_execute(&insert(0, EVENTS / 2)).await.unwrap();
        taking.until(|ran| ran.len() > 100).await;
        server.kill();
        taking.until_health(|health| matches!(health, SourceHealth::Unreachable { .. })).await;
        server.restart().await;
        server.connect().await.batch_execute(&insert(EVENTS / 2, EVENTS)).await.unwrap();
        taking.until(|ran| ran.len() >= EVENTS).await;
        assert_eq!(taking.ran(), all());
        assert_eq!(taking.runs(), EVENTS, "each ran once");
        // Events that were taken are gone from the table.
        let client = server.connect().await;
        let left = client.query_one("SELECT count(*) FROM outbox", &[]).await.unwrap();
        assert_eq!(left.get::<_, i64>(0), 0);
    })
    .await;
}

#[tokio::test]
async fn postgres_notifications_without_an_outbox_are_delivered_again_after_a_restart() {
    local(async {
        let mut server = PostgresServer::start();
        let source = Postgres {
            url: server.url(),
            channel: "bids".to_owned(),
            outbox: None,
            batch: 50,
        };
        let taking = Taking::of(
            Box::new(source),
            Trigger::Source(SourceKind::Postgres),
            1 << 20,
        );
        taking
            .until_health(|health| *health == SourceHealth::Reading)
            .await;
        server
            .connect()
            .await
            .batch_execute("NOTIFY bids, '1'")
            .await
            .unwrap();
        taking.until(|ran| ran.contains("1")).await;
        server.kill();
        taking
            .until_health(|health| matches!(health, SourceHealth::Unreachable { .. }))
            .await;
        server.restart().await;
        taking
            .until_health(|health| *health == SourceHealth::Reading)
            .await;
        server
            .connect()
            .await
            .batch_execute("NOTIFY bids, '2'")
            .await
            .unwrap();
        taking.until(|ran| ran.contains("2")).await;
    })
    .await;
}

#[tokio::test]
async fn a_folder_source_reports_all_changes_including_those_made_while_it_was_stopped() {
    local(async {
        let bucket = tempfile::tempdir().unwrap();
        let path = bucket.path().to_owned();
        let put = |number: usize| std::fs::write(path.join(format!("{number}.txt")), "x").unwrap();
        let source = || {
            Box::new(FolderSource {
                path: path.clone(),
                bucket: "uploads".to_owned(),
            })
        };
        (0..EVENTS / 4).for_each(put);
        let taking = Taking::of(source(), Trigger::Source(SourceKind::Folder), 1 << 20);
        (EVENTS / 4..EVENTS / 2).for_each(put);
        taking.until(|ran| ran.len() >= EVENTS / 2).await;
        // The source is stopped while half of them come and one goes.
        let folder = taking.stop().await;
        (EVENTS / 2..EVENTS).for_each(put);
        std::fs::remove_file(path.join("0.txt")).unwrap();
        let taking = Taking::on(
            folder,
            source(),
            Trigger::Source(SourceKind::Folder),
            1 << 20,
        )
        .await;
        taking.until(|ran| ran.len() > EVENTS / 2).await;
        let created = |number| format!("ObjectCreated:Put {number}.txt");
        let mut expected: BTreeSet<String> = (EVENTS / 2..EVENTS).map(created).collect();
        expected.insert("ObjectRemoved:Delete 0.txt".to_owned());
        assert_eq!(taking.ran(), expected);
        assert_eq!(taking.runs(), EVENTS / 2 + 1, "each ran once");
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_source_is_retried_and_reported_once() {
    local(async {
        let source = RedisStream {
            url: "redis+unix:///nowhere/redis.sock".to_owned(),
            stream: "bids".to_owned(),
            group: "shop".to_owned(),
            batch: 50,
            abandoned: Duration::from_secs(60),
        };
        let taking = Taking::of(
            Box::new(source),
            Trigger::Source(SourceKind::Redis),
            1 << 20,
        );
        taking
            .until_health(|health| {
                matches!(health, SourceHealth::Unreachable { attempts: 3.., .. })
            })
            .await;
        assert_eq!(
            taking.told().len(),
            1,
            "told once, not at every attempt: {:?}",
            taking.told()
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_over_the_size_limit_becomes_a_dead_letter_and_others_run() {
    local(async {
        let server = PostgresServer::start();
        let source = Postgres {
            url: server.url(),
            channel: "bids".to_owned(),
            outbox: None,
            batch: 50,
        };
        let taking = Taking::of(Box::new(source), Trigger::Source(SourceKind::Postgres), 100);
        taking
            .until_health(|health| *health == SourceHealth::Reading)
            .await;
        let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let long = "x".repeat(101);
        client
            .batch_execute(&format!("NOTIFY bids, '{long}'; NOTIFY bids, '1'"))
            .await
            .unwrap();
        taking.until(|ran| ran.contains("1")).await;
        let dead = Selection {
            dead: true,
            ..Selection::default()
        };
        let dead = taking.queue.list(dead).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert!(dead[0].job.error.as_ref().unwrap().contains("101 bytes"));
        assert_eq!(taking.intake.view().refused, 1);
    })
    .await;
}
