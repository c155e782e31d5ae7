//! Load at a steady rate, whatever the answers take.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Requests a second.
const RATE: u32 = 60;

/// Load on a url, until it is ended.
pub struct Load {
    ended: watch::Sender<bool>,
    report: Arc<Mutex<Report>>,
    task: JoinHandle<()>,
    began: Instant,
}

/// The result.
#[derive(Clone, Default)]
pub struct Report {
    /// Answers that were good.
    pub good: usize,
    /// The failures, in words.
    pub failed: Vec<String>,
    /// Codes that answered.
    pub codes: BTreeSet<String>,
    /// Good answers a second.
    pub rate: f64,
}

impl Load {
    pub fn start(url: String) -> Self {
        let (ended, mut end) = watch::channel(false);
        let report = Arc::new(Mutex::new(Report::default()));
        let into = Arc::clone(&report);
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
            let mut asking = JoinSet::new();
            loop {
                tokio::select! {
                    _ = tick.tick() => {}
                    _ = end.wait_for(|ended| *ended) => break,
                }
                asking.spawn(ask(client.clone(), url.clone(), Arc::clone(&into)));
                while asking.try_join_next().is_some() {}
            }
            asking.join_all().await;
        });
        Self {
            ended,
            report,
            task,
            began: Instant::now(),
        }
    }

    pub fn so_far(&self) -> Report {
        self.report.lock().unwrap().clone()
    }

    /// Waits for the last answer.
    pub async fn end(self) -> Report {
        self.ended.send(true).unwrap();
        let took = self.began.elapsed();
        self.task.await.unwrap();
        let mut report = self.report.lock().unwrap().clone();
        report.rate = report.good as f64 / took.as_secs_f64();
        report
    }
}

async fn ask(client: reqwest::Client, url: String, into: Arc<Mutex<Report>>) {
    let asked = client.get(url).send().await;
    let outcome = match asked {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            match answer.text().await {
                Ok(_) if status == 200 => Ok(headers),
                Ok(text) => Err(format!("{status} {text}")),
                Err(error) => Err(format!("{error:?}")),
            }
        }
        Err(error) => Err(format!("{error:?}")),
    };
    let mut report = into.lock().unwrap();
    match outcome {
        Ok(headers) => {
            report.good += 1;
            let code = headers
                .get("x-fnlocal-code")
                .and_then(|code| code.to_str().ok());
            report.codes.extend(code.map(str::to_owned));
        }
        Err(why) => report.failed.push(why),
    }
}
