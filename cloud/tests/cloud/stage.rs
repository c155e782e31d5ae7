//! A queue of jobs at SQS, with nodes that come and go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use fnlocal_cloud::job_queue::{QueueUrls, SqsJobQueue};
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::delivery::{Disposition, Invoke, Run, RunOutcome, deliver};
use fnlocal_triggers::job::{Job, JobId, NewJob, Trigger};
use fnlocal_triggers::job_queue::JobQueue;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

use super::play::Play;

pub const PATIENCE: Duration = Duration::from_secs(90);

/// How many jobs a node runs at once.
pub const ROOM: usize = 4;

/// The state that all nodes of a test share.
#[derive(Default)]
pub struct Story {
    /// The node and body of each run that has begun.
    pub began: RefCell<Vec<(usize, String)>>,
    pub ended: RefCell<Vec<Run>>,
    pub warned: RefCell<Vec<String>>,
    /// How many runs of a body fail before one succeeds.
    pub failures: RefCell<BTreeMap<String, usize>>,
    /// Bodies whose runs do not end before this is rung.
    pub slow: RefCell<BTreeMap<String, Rc<Notify>>>,
    /// How long a run takes at least.
    pub run_time: Cell<Duration>,
    pub more: Notify,
}

struct NodeInvoke {
    node: usize,
    story: Rc<Story>,
    room: Cell<usize>,
    policy: AsyncPolicy,
}

impl Invoke for NodeInvoke {
    fn policy(&self, function: &str) -> Option<AsyncPolicy> {
        (function == "work").then(|| self.policy.clone())
    }

    fn admissible(&self, function: &str, running: usize) -> u32 {
        let room = if function == "work" {
            self.room.get()
        } else {
            0
        };
        u32::try_from(room.saturating_sub(running)).unwrap()
    }

    fn functions(&self) -> Vec<Arc<str>> {
        vec!["work".into()]
    }

    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = RunOutcome>>> {
        let body = String::from_utf8_lossy(&job.body).into_owned();
        self.story
            .began
            .borrow_mut()
            .push((self.node, body.clone()));
        self.story.more.notify_waiters();
        let slow = self.story.slow.borrow().get(&body).cloned();
        let mut failures = self.story.failures.borrow_mut();
        let left = failures.entry(body).or_default();
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        let run_time = self.story.run_time.get();
        Box::pin(async move {
            tokio::time::sleep(run_time).await;
            if let Some(slow) = slow {
                slow.notified().await;
            }
            if fails {
                let error = "it broke".to_owned();
                let hopeless = false;
                return RunOutcome::Failed {
                    error,
                    hopeless,
                    status: 500,
                };
            }
            RunOutcome::Done { status: 200 }
        })
    }

    fn ended(&self, run: &Run) {
        self.story.ended.borrow_mut().push(run.clone());
        self.story.more.notify_waiters();
    }

    fn warn(&self, text: String) {
        self.story.warned.borrow_mut().push(text);
    }
}

/// A node that works off the queue, until it is dropped: then it is killed.
pub struct Node {
    pub queue: Rc<SqsJobQueue>,
    task: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Stage {
    config: SdkConfig,
    pub client: Client,
    pub urls: QueueUrls,
    pub story: Rc<Story>,
    policy: AsyncPolicy,
    /// How long leases last.
    pub lease_time: Duration,
    nodes: Cell<usize>,
    pub _play: Play,
}

impl Stage {
    pub async fn new() -> Self {
        let play = Play::start();
        let config = play.config().await;
        let client = Client::new(&config);
        let make = async |name: &str| {
            let call = client.create_queue().queue_name(name);
            let call = call
                .attributes(QueueAttributeName::FifoQueue, "true")
                .attributes(QueueAttributeName::ContentBasedDeduplication, "true")
                .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
                .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId");
            call.send().await.unwrap().queue_url.unwrap()
        };
        let urls = QueueUrls {
            jobs: make("jobs.fifo").await,
            dead: make("dead.fifo").await,
        };
        Self {
            config,
            client,
            urls,
            story: Rc::default(),
            policy: AsyncPolicy {
                attempts: 3,
                backoff: Duration::from_millis(10),
                backoff_max: Duration::from_millis(20),
                ..AsyncPolicy::default()
            },
            lease_time: Duration::from_secs(2),
            nodes: Cell::new(0),
            _play: play,
        }
    }

    pub fn queue(&self) -> Rc<SqsJobQueue> {
        SqsJobQueue::with_times(&self.config, self.urls.clone(), self.lease_time, 1)
    }

    pub fn node(&self) -> Node {
        let queue = self.queue();
        self.nodes.update(|count| count + 1);
        let invoke = Rc::new(NodeInvoke {
            node: self.nodes.get(),
            story: Rc::clone(&self.story),
            room: Cell::new(ROOM),
            policy: self.policy.clone(),
        });
        let delivering = deliver(Rc::clone(&queue) as _, invoke, Rc::default());
        Node {
            queue,
            task: tokio::task::spawn_local(delivering),
        }
    }

    pub async fn until(&self, wanted: impl Fn(&Story) -> bool) {
        let waiting = async {
            loop {
                let more = self.story.more.notified();
                if wanted(&self.story) {
                    return;
                }
                more.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        let story = &self.story;
        waited.unwrap_or_else(|_| panic!("{:?} {:?}", story.began, story.warned));
    }

    /// Waits until the given number of jobs are over, and returns what became of them.
    pub async fn over(&self, count: usize) -> Vec<Run> {
        let is_over = |run: &&Run| !matches!(run.fate, Disposition::Again(_));
        self.until(|story| story.ended.borrow().iter().filter(is_over).count() >= count)
            .await;
        let ended = self.story.ended.borrow();
        ended.iter().filter(is_over).cloned().collect()
    }

    /// Messages that are in the queue, hidden ones included.
    pub async fn left(&self) -> u32 {
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(&self.urls.jobs);
        let call = call.attribute_names(QueueAttributeName::All);
        let all = call.send().await.unwrap().attributes.unwrap();
        let number = |name| all[&name].parse::<u32>().unwrap();
        number(QueueAttributeName::ApproximateNumberOfMessages)
            + number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
    }

    pub fn bodies(&self) -> Vec<String> {
        let began = self.story.began.borrow();
        began.iter().map(|(_, body)| body.clone()).collect()
    }
}

pub fn job(body: &str) -> NewJob {
    NewJob {
        function: "work".to_owned(),
        trigger: Trigger::Async,
        path: "/work?a=b".to_owned(),
        headers: vec![("x-text".to_owned(), "Straße \u{ffff}".to_owned())],
        body: Bytes::from(body.to_owned()),
        order: None,
        key: None,
        keep_key_ms: 0,
        max_age_ms: 3_600_000,
        dead: None,
    }
}

pub fn ordered(body: &str, order: &str) -> NewJob {
    NewJob {
        order: Some(order.to_owned()),
        ..job(body)
    }
}

pub async fn put(queue: &Rc<SqsJobQueue>, new: NewJob) -> JobId {
    let accepted = Rc::clone(queue).enqueue(vec![new].into()).await.unwrap();
    accepted[0].id()
}

pub async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}
