//! Plays the load balancer: round robin over the targets whose health path answers 200, or over all
//! if none does, and no second try. So an ALB has it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The interval of the balancer's checks. An ALB's minimum is 5 s, and nodes get a pace to match.
const CHECK: Duration = Duration::from_millis(100);

/// For an answer to a look: an ALB's default.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks in a row that fail before a target is unhealthy: an ALB's default.
const FAILURES: u32 = 2;

/// Targets, and how many looks failed since the last that did not.
type Targets = Arc<Mutex<BTreeMap<SocketAddr, u32>>>;

/// A load balancer, until dropped.
pub struct Balancer {
    pub url: String,
    targets: Targets,
    tasks: [JoinHandle<()>; 2],
}

impl Balancer {
    pub async fn start(health_path: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let targets = Targets::default();
        let tasks = [
            tokio::spawn(serve(listener, Arc::clone(&targets))),
            tokio::spawn(check(Arc::clone(&targets), health_path.to_owned())),
        ];
        Self {
            url: format!("http://{address}"),
            targets,
            tasks,
        }
    }

    pub fn register(&self, target: SocketAddr) {
        self.targets.lock().unwrap().insert(target, FAILURES);
    }

    pub fn healthy(&self) -> usize {
        let targets = self.targets.lock().unwrap();
        targets
            .values()
            .filter(|failed| **failed < FAILURES)
            .count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn check(targets: Targets, path: String) {
    let client = reqwest::Client::new();
    let mut tick = tokio::time::interval(CHECK);
    loop {
        tick.tick().await;
        let all: Vec<SocketAddr> = targets.lock().unwrap().keys().copied().collect();
        for target in all {
            let asked = client.get(format!("http://{target}{path}"));
            let asked = asked.timeout(PATIENCE).send().await;
            let healthy = asked.is_ok_and(|answer| answer.status() == StatusCode::OK);
            let mut targets = targets.lock().unwrap();
            let failed = targets.entry(target).or_default();
            *failed = if healthy { 0 } else { *failed + 1 };
        }
    }
}

async fn serve(listener: TcpListener, targets: Targets) {
    let client = reqwest::Client::builder()
        .pool_idle_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let turn = Arc::new(Mutex::new(0));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (client, targets, turn) = (client.clone(), Arc::clone(&targets), Arc::clone(&turn));
        let service = service_fn(move |request| {
            let to = next(&targets, &turn);
            let client = client.clone();
            async move { Ok::<_, Infallible>(pass_on(&client, to, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // Clients may leave.
            let _left = connection.await;
        });
    }
}

fn next(targets: &Targets, turn: &Mutex<usize>) -> Option<SocketAddr> {
    let targets = targets.lock().unwrap();
    let among = |most: u32| -> Vec<SocketAddr> {
        let some = targets.iter().filter(|(_, failed)| **failed < most);
        some.map(|(target, _)| *target).collect()
    };
    let healthy = among(FAILURES);
    let healthy = if healthy.is_empty() {
        among(u32::MAX)
    } else {
        healthy
    };
    let mut turn = turn.lock().unwrap();
    *turn += 1;
    (!healthy.is_empty()).then(|| healthy[*turn % healthy.len()])
}

async fn pass_on(
    client: &reqwest::Client,
    to: Option<SocketAddr>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let refused = |status, why: String| {
        let mut response = Response::new(Full::from(why));
        *response.status_mut() = status;
        response
    };
    let Some(to) = to else {
        let why = "there is no target".to_owned();
        return refused(StatusCode::SERVICE_UNAVAILABLE, why);
    };
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = client
        .request(parts.method, format!("http://{to}{}", parts.uri))
        .headers(parts.headers)
        .body(body)
        .send()
        .await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => return refused(StatusCode::BAD_GATEWAY, format!("{to}: {error:?}")),
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    headers.remove("connection");
    match answer.bytes().await {
        Ok(bytes) => {
            let mut response = Response::new(Full::from(bytes));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) => refused(StatusCode::BAD_GATEWAY, format!("{to}: {error:?}")),
    }
}
