//! Sources on AWS, against moto: SQS, and S3's notifications through it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../../emulator/triggers/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_sdk_sts::config::Credentials;
use fnlocal_cloud::events::Sqs;
use fnlocal_core::trigger::{AsyncPolicy, SourceKind};
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::job::Trigger;
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::queue::{Queue, Selection};
use fnlocal_triggers::source::{Ingest, Source, SourceHealth};
use support::{Taking, local};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const EVENTS: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that plays SQS and S3. The server keeps everything in memory, so the proxy in between restarts
/// instead.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    async fn start() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join("target/tools/aws/bin/python");
        assert!(
            python.exists(),
            "run `.ci/tools` first: it installs what plays AWS"
        );
        let port = free_port();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "moto never answered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        moto
    }

    fn url(&self) -> String {
        url(self.port)
    }

    async fn client(&self) -> Client {
        Client::new(&config(&self.url()).await)
    }

    async fn queue(&self, name: &str) -> String {
        let client = self.client().await;
        let made = client.create_queue().queue_name(name).send().await;
        made.unwrap().queue_url.unwrap()
    }

    /// Puts an object. The answer of S3 must be a success.
    async fn put(&self, http: &reqwest::Client, path: &str, body: String) {
        let request = http.put(format!("{}/bucket{path}", self.url()));
        let answer = request.body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("AKIDPLAY", "secret", None, None, "play"))
        .load()
        .await
}

async fn source(queue: &str, endpoint: String, buckets: bool) -> Sqs {
    Sqs {
        queue: queue.to_owned(),
        batch: 10,
        visibility: Duration::from_secs(2),
        wait: 1,
        buckets,
        config: Some(config(&endpoint).await),
        endpoint: Some(endpoint),
    }
}

async fn send(client: &Client, queue: &str, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for ten in numbers.chunks(10) {
        let entries = ten.iter().map(|number| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            entry.message_body(number.to_string()).build().unwrap()
        });
        let request = client.send_message_batch().queue_url(queue);
        let request = request.set_entries(Some(entries.collect()));
        request.send().await.unwrap();
    }
}

/// Connections to moto, which can all be cut at once.
struct Between(JoinHandle<()>);

impl Between {
    async fn open(target: u16, port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.unwrap();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut inner, _)) = listener.accept().await {
                open.spawn(async move {
                    let mut outer = TcpStream::connect(("127.0.0.1", target)).await?;
                    tokio::io::copy_bidirectional(&mut inner, &mut outer).await
                });
            }
        });
        Self(task)
    }

    async fn cut(self) {
        self.0.abort();
        let _aborted = self.0.await;
    }
}

fn all(named: impl Fn(usize) -> String) -> BTreeSet<String> {
    (0..EVENTS).map(named).collect()
}

#[tokio::test]
async fn an_sqs_queue_delivers_a_thousand_messages_despite_a_lost_connection() {
    local(async {
        let moto = Moto::start().await;
        let (queue, client) = (moto.queue("bids").await, moto.client().await);
        let port = free_port();
        let between = Between::open(moto.port, port).await;
        let read = source(&queue, url(port), false).await;
        let taking = Taking::of(Box::new(read), Trigger::Source(SourceKind::Sqs), 1 << 20);
        send(&client, &queue, 0..EVENTS / 2).await;
        taking.until(|ran| ran.len() > 100).await;
        between.cut().await;
        taking
            .until_health(|health| matches!(health, SourceHealth::Unreachable { .. }))
            .await;
        send(&client, &queue, EVENTS / 2..EVENTS).await;
        let _between = Between::open(moto.port, port).await;
        taking.until(|ran| ran.len() >= EVENTS).await;
        assert_eq!(taking.ran(), all(|number| number.to_string()));
        assert_eq!(taking.runs(), EVENTS, "each ran once");
    })
    .await;
}

#[tokio::test]
async fn a_bucket_delivers_a_thousand_notifications_via_its_queue_despite_a_lost_connection() {
    local(async {
        let moto = Moto::start().await;
        let queue = moto.queue("uploads").await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let region = "<CreateBucketConfiguration><LocationConstraint>eu-west-1\
            </LocationConstraint></CreateBucketConfiguration>";
        moto.put(&http, "", region.to_owned()).await;
        let notify = "<NotificationConfiguration><QueueConfiguration><Id>1</Id>\
            <Queue>arn:aws:sqs:eu-west-1:123456789012:uploads</Queue>\
            <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>";
        moto.put(&http, "?notification", notify.to_owned()).await;
        let port = free_port();
        let between = Between::open(moto.port, port).await;
        let read = source(&queue, url(port), true).await;
        let taking = Taking::of(Box::new(read), Trigger::Source(SourceKind::S3), 1 << 20);
        for number in 0..EVENTS / 2 {
            moto.put(&http, &format!("/{number}.txt"), "x".to_owned())
                .await;
        }
        taking.until(|ran| ran.len() > 100).await;
        between.cut().await;
        for number in EVENTS / 2..EVENTS {
            moto.put(&http, &format!("/{number}.txt"), "x".to_owned())
                .await;
        }
        let _between = Between::open(moto.port, port).await;
        taking.until(|ran| ran.len() >= EVENTS).await;
        assert_eq!(
            taking.ran(),
            all(|number| format!("ObjectCreated:Put {number}.txt"))
        );
        assert_eq!(taking.runs(), EVENTS, "each ran once");
    })
    .await;
}

#[tokio::test]
async fn only_the_too_large_message_of_a_batch_is_refused() {
    local(async {
        let moto = Moto::start().await;
        let (queue, client) = (moto.queue("bids").await, moto.client().await);
        let large = client
            .send_message()
            .queue_url(&queue)
            .message_body("9".repeat(200));
        large.send().await.unwrap();
        send(&client, &queue, 0..9).await;
        let read = source(&queue, moto.url(), false).await;
        let taking = Taking::of(Box::new(read), Trigger::Source(SourceKind::Sqs), 100);
        taking.until(|ran| ran.len() >= 9).await;
        let dead = Selection {
            dead: true,
            ..Selection::default()
        };
        let dead = taking.queue.list(dead).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert!(dead[0].job.error.as_ref().unwrap().contains("200 bytes"));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_not_deleted_and_is_delivered_again() {
    local(async {
        let moto = Moto::start().await;
        let (queue, client) = (moto.queue("bids").await, moto.client().await);
        send(&client, &queue, 0..1).await;
        let folder = tempfile::tempdir().unwrap();
        {
            let (kept, writer) = Queue::open(folder.path(), Clock::system()).unwrap();
            writer.close().await;
            let mut read = source(&queue, moto.url(), false).await;
            let (name, policy) = (read.name(), AsyncPolicy::default());
            let (job, limit) = ("job".to_owned(), 100);
            let intake = Ingest::new(
                Rc::clone(&kept) as _,
                name,
                job,
                Trigger::Source(SourceKind::Sqs),
                policy,
                limit,
            );
            let why = read.read(&intake).await.unwrap_err();
            assert_eq!(why.to_string(), "the queue is closed");
        }
        let read = source(&queue, moto.url(), false).await;
        let taking = Taking::on(
            folder,
            Box::new(read),
            Trigger::Source(SourceKind::Sqs),
            100,
        )
        .await;
        taking.until(|ran| ran.contains("0")).await;
        assert_eq!(taking.intake.view().repeated, 0, "it was not taken before");
    })
    .await;
}

/// SQS as far as one message goes, of whose deletions it refuses the first. moto refuses none.
async fn refuse_once(listener: tokio::net::TcpListener) {
    let message = r#"{"Messages":[{"MessageId":"m1","ReceiptHandle":"r","Body":"bid"}]}"#;
    let refused = r#"{"Successful":[],"Failed":[{"Id":"0","SenderFault":false,
        "Code":"InternalError","Message":"try again"}]}"#;
    let deleted = r#"{"Successful":[{"Id":"0"}],"Failed":[]}"#;
    let mut deletions = 0;
    while let Ok((stream, _)) = listener.accept().await {
        let mut stream = BufReader::new(stream);
        while let Some(head) = head(&mut stream).await {
            let deletes = head.contains("deletemessagebatch");
            let body = match (deletes, deletions) {
                (true, 0) => refused,
                (true, _) => deleted,
                (false, 0 | 1) => message,
                (false, _) => "{}",
            };
            deletions += usize::from(deletes);
            let length = body.len();
            let kind = "application/x-amz-json-1.0";
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// The next request's head, in lower case, its body read; none when there is no next.
async fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (stream.read_line(&mut head).await.ok()? > 0).then_some(())?;
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?;
    let length = length.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

#[tokio::test]
async fn a_message_whose_deletion_fails_is_redelivered_but_not_run_again() {
    local(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::task::spawn_local(refuse_once(listener));
        let queue = format!("{}/1/bids", url(port));
        let read = source(&queue, url(port), false).await;
        let taking = Taking::of(Box::new(read), Trigger::Source(SourceKind::Sqs), 100);
        let again = async {
            while taking.intake.view().repeated == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
        taking.until(|ran| ran.contains("bid")).await;
        assert_eq!(taking.runs(), 1);
        let told = taking.told();
        assert!(
            told.iter()
                .any(|line| line.contains("1 of 1 messages could not be deleted: try again")),
            "{told:?}"
        );
    })
    .await;
}
