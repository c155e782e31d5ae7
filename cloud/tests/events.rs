//! Sources on AWS, against moto: SQS, and S3's notifications through it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_sdk_sts::config::Credentials;
use fnlocal_cloud::events::Sqs;
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::job::{Job, Trigger};
use fnlocal_triggers::keeper::Writer;
use fnlocal_triggers::queue::{Invoke, Outcome, Queue, Run, Selection};
use fnlocal_triggers::source::{Health, Intake, Source, keep};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

const EVENTS: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(120);

/// What plays SQS and S3. It keeps everything in memory, so what restarts is what stands between.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    async fn start() -> Self {
        let python =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/aws/bin/python");
        assert!(
            python.exists(),
            "run `.ci/tools` first: it installs what plays AWS"
        );
        let port = free_port();
        let child = Command::new(python)
            .args([
                "-m",
                "moto.server",
                "-H",
                "127.0.0.1",
                "-p",
                &port.to_string(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { child, port };
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            assert!(begun.elapsed() < PATIENCE, "moto never answered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        moto
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn client(&self) -> Client {
        Client::new(&config(&self.url()).await)
    }

    async fn queue(&self, name: &str) -> String {
        let made = self
            .client()
            .await
            .create_queue()
            .queue_name(name)
            .send()
            .await;
        made.unwrap().queue_url.unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("AKIDPLAY", "secret", None, None, "play"))
        .load()
        .await
}

async fn send(client: &Client, queue: &str, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for ten in numbers.chunks(10) {
        let entries = ten.iter().map(|number| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            entry.message_body(number.to_string()).build().unwrap()
        });
        let request = client.send_message_batch().queue_url(queue);
        request
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .unwrap();
    }
}

/// A connection to moto that can be cut.
struct Line(JoinHandle<()>);

impl Line {
    async fn to(target: u16, port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut inner, _)) = listener.accept().await {
                open.spawn(async move {
                    let mut outer = tokio::net::TcpStream::connect(("127.0.0.1", target)).await?;
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

#[derive(Default)]
struct Ran {
    what: RefCell<Vec<String>>,
    more: Notify,
}

struct Runs(Rc<Ran>);

impl Invoke for Runs {
    fn policy(&self, _function: &str) -> Option<AsyncPolicy> {
        Some(AsyncPolicy::default())
    }

    fn room(&self, _function: &str, running: usize) -> u32 {
        u32::try_from(8usize.saturating_sub(running)).unwrap()
    }

    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome>>> {
        let text = String::from_utf8(job.body.to_vec()).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let key = record["s3"]["object"]["key"].as_str().map(str::to_owned);
        self.0.what.borrow_mut().push(key.unwrap_or(text));
        Box::pin(std::future::ready(Outcome::Done { status: 200 }))
    }

    fn ended(&self, _run: &Run) {
        self.0.more.notify_one();
    }

    fn warn(&self, text: String) {
        panic!("{text}");
    }
}

struct Taking {
    queue: Rc<Queue>,
    intake: Rc<Intake>,
    ran: Rc<Ran>,
    _folder: TempDir,
    _writer: Writer,
}

impl Taking {
    fn of(source: Sqs, trigger: Trigger, limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (queue, writer) = Queue::open(folder.path(), Clock::system()).unwrap();
        let ran: Rc<Ran> = Rc::default();
        let policy = AsyncPolicy {
            backoff: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
            ..AsyncPolicy::default()
        };
        let (queue_of, name) = (Rc::clone(&queue), source.name());
        let intake = Intake::new(queue_of, name, "job".to_owned(), trigger, policy, limit);
        let intake = Rc::new(intake);
        let running = Rc::clone(&queue).run(Rc::new(Runs(Rc::clone(&ran))), Rc::default());
        tokio::task::spawn_local(keep(Box::new(source), Rc::clone(&intake), |_, _| {}));
        tokio::task::spawn_local(running);
        Self {
            queue,
            intake,
            ran,
            _folder: folder,
            _writer: writer,
        }
    }

    async fn until(&self, wanted: impl Fn(&BTreeSet<String>) -> bool) {
        let waiting = async {
            while !wanted(&self.ran()) {
                self.ran.more.notified().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        let view = self.intake.view();
        waited.unwrap_or_else(|_| panic!("{} ran of {view:?}", self.ran().len()));
    }

    fn ran(&self) -> BTreeSet<String> {
        self.ran.what.borrow().iter().cloned().collect()
    }
}

async fn source(moto: &Moto, queue: &str, endpoint: String, buckets: bool) -> Sqs {
    Sqs {
        queue: queue.to_owned(),
        endpoint: Some(endpoint),
        batch: 10,
        visibility: Duration::from_secs(2),
        wait: 1,
        buckets,
        config: Some(config(&moto.url()).await),
    }
}

#[tokio::test]
async fn an_sqs_queue_delivers_all_through_a_cut_connection() {
    let test = async {
        let moto = Moto::start().await;
        let queue = moto.queue("bids").await;
        let client = moto.client().await;
        let port = free_port();
        let line = Line::to(moto.port, port).await;
        let endpoint = format!("http://127.0.0.1:{port}");
        let taking = Taking::of(
            source(&moto, &queue, endpoint, false).await,
            Trigger::Sqs,
            1 << 20,
        );
        send(&client, &queue, 0..EVENTS / 2).await;
        taking.until(|ran| ran.len() > 100).await;
        line.cut().await;
        while !matches!(taking.intake.view().health, Health::Unreachable { .. }) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        send(&client, &queue, EVENTS / 2..EVENTS).await;
        let _line = Line::to(moto.port, port).await;
        taking.until(|ran| ran.len() >= EVENTS).await;
        let all: BTreeSet<String> = (0..EVENTS).map(|number| number.to_string()).collect();
        assert_eq!(taking.ran(), all);
        assert_eq!(taking.ran.what.borrow().len(), EVENTS, "each ran once");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn of_a_batch_only_what_is_too_large_is_refused() {
    let test = async {
        let moto = Moto::start().await;
        let queue = moto.queue("bids").await;
        let client = moto.client().await;
        let large = "9".repeat(200);
        client
            .send_message()
            .queue_url(&queue)
            .message_body(&large)
            .send()
            .await
            .unwrap();
        send(&client, &queue, 0..9).await;
        let taking = Taking::of(
            source(&moto, &queue, moto.url(), false).await,
            Trigger::Sqs,
            100,
        );
        taking.until(|ran| ran.len() >= 9).await;
        let dead = Selection {
            dead: true,
            ..Selection::default()
        };
        let dead = taking.queue.list(dead).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert!(dead[0].job.error.as_ref().unwrap().contains("200 bytes"));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_is_put_into_a_bucket_calls_the_function_by_way_of_its_queue() {
    let test = async {
        let moto = Moto::start().await;
        let queue = moto.queue("uploads").await;
        let http = reqwest::Client::new();
        let put = async |path: &str, body: &str| {
            let request = http.put(format!("{}/bucket{path}", moto.url()));
            let answer = request.body(body.to_owned()).send().await.unwrap();
            assert!(answer.status().is_success(), "{:?}", answer.text().await);
        };
        let region = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
        put("", region).await;
        let notify = "<NotificationConfiguration><QueueConfiguration><Id>1</Id>\
            <Queue>arn:aws:sqs:eu-west-1:123456789012:uploads</Queue>\
            <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>";
        put("?notification", notify).await;
        let taking = Taking::of(
            source(&moto, &queue, moto.url(), true).await,
            Trigger::S3,
            1 << 20,
        );
        for number in 0..20 {
            put(&format!("/{number}.txt"), "x").await;
        }
        taking.until(|ran| ran.len() >= 20).await;
        let all: BTreeSet<String> = (0..20).map(|number| format!("{number}.txt")).collect();
        assert_eq!(taking.ran(), all);
    };
    LocalSet::new().run_until(test).await;
}
