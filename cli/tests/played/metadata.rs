//! Plays the metadata service of one machine (IMDSv2): its name and place, its role's credentials,
//! and notices of its end.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const TOKEN: &str = "a-token-of-the-session";
const ROLE: &str = "played-role";

/// The metadata service of a machine, until dropped.
pub struct Metadata {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    taken_back: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl Metadata {
    pub async fn start(id: &str, address: IpAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (id, noted) = (id.to_owned(), Arc::clone(&asked));
        let taken_back = Arc::new(AtomicBool::new(false));
        let notice = Arc::clone(&taken_back);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (id, noted) = (id.clone(), Arc::clone(&noted));
                let notice = Arc::clone(&notice);
                let service = service_fn(move |request: Request<Incoming>| {
                    noted.lock().unwrap().push(request.uri().path().to_owned());
                    let answer = answer(&request, &id, address, notice.load(Ordering::SeqCst));
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    // The client may leave.
                    let _left = connection.await;
                });
            }
        });
        Self {
            address: at,
            asked,
            taken_back,
            serving,
        }
    }

    /// Gives notice, as EC2 does two minutes before it takes a spot instance back.
    pub fn take_back(&self) {
        self.taken_back.store(true, Ordering::SeqCst);
    }

    /// Paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(
    request: &Request<Incoming>,
    id: &str,
    address: IpAddr,
    taken_back: bool,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let headers = request.headers();
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
    if path == "/latest/api/token" {
        if request.method() != Method::PUT {
            return text(StatusCode::METHOD_NOT_ALLOWED, "");
        }
        let mut answer = text(StatusCode::OK, TOKEN);
        answer.headers_mut().insert(ttl, "21600".parse().unwrap());
        return answer;
    }
    // Version 1 is switched off in the launch template.
    let token = headers.get("x-aws-ec2-metadata-token");
    if token.is_none_or(|token| token != TOKEN) {
        return text(StatusCode::UNAUTHORIZED, "");
    }
    let credentials = format!("/latest/meta-data/iam/security-credentials/{ROLE}");
    match path {
        "/latest/meta-data/instance-id" => text(StatusCode::OK, id),
        "/latest/meta-data/local-ipv4" => text(StatusCode::OK, &address.to_string()),
        "/latest/meta-data/placement/availability-zone" => text(StatusCode::OK, "eu-west-1a"),
        "/latest/meta-data/spot/instance-action" if taken_back => {
            let notice = json!({ "action": "terminate", "time": "2026-01-01T00:02:00Z" });
            text(StatusCode::OK, &notice.to_string())
        }
        "/latest/meta-data/iam/security-credentials/" => text(StatusCode::OK, ROLE),
        path if path == credentials => {
            let credentials = json!({
                "Code": "Success",
                "LastUpdated": "2026-01-01T00:00:00Z",
                "Type": "AWS-HMAC",
                "AccessKeyId": "ASIAPLAYED",
                "SecretAccessKey": "the-nodes-secret",
                "Token": "the-nodes-session",
                "Expiration": "2099-01-01T00:00:00Z",
            });
            text(StatusCode::OK, &credentials.to_string())
        }
        _ => text(StatusCode::NOT_FOUND, ""),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
