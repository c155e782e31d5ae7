//! A client that tells how long the head of an answer took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer, and how long it took from before connecting, if a connection was made for it.
#[derive(Debug)]
pub struct Answer {
    pub took: Duration,
    pub status: u16,
    /// `x-fnlocal-start`, or nothing.
    pub start: String,
    /// `Server-Timing`, in milliseconds by phase.
    pub timing: BTreeMap<String, f64>,
    pub body: String,
}

impl Answer {
    pub fn millis(&self) -> f64 {
        millis(self.took)
    }

    /// Itself, if it is what a function answers.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A connection kept for one request after another.
pub struct Connection {
    port: u16,
    sender: SendRequest<Empty<Bytes>>,
}

impl Connection {
    /// Connects to this machine's own port, and to nothing else.
    pub async fn open(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(text)?;
        tokio::spawn(connection);
        Ok(Self { port, sender })
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer, String> {
        self.ask(path, "").await
    }

    async fn ask(&mut self, path: &str, token: &str) -> Result<Answer, String> {
        let began = Instant::now();
        self.sender.ready().await.map_err(text)?;
        let mut request = Request::get(path).header("host", format!("127.0.0.1:{}", self.port));
        if !token.is_empty() {
            request = request.header("x-fnlocal-token", token);
        }
        let request = request.body(Empty::new()).map_err(text)?;
        let response = self.sender.send_request(request).await.map_err(text)?;
        let took = began.elapsed();
        let (status, start) = (
            response.status().as_u16(),
            header(&response, "x-fnlocal-start"),
        );
        let timing = phases(&header(&response, "server-timing"));
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(text)?
            .to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer {
            took,
            status,
            start,
            timing,
            body,
        })
    }
}

/// Asks on a connection of its own.
pub async fn get(port: u16, path: &str) -> Result<Answer, String> {
    let began = Instant::now();
    let mut connection = Connection::open(port).await?;
    let connected = began.elapsed();
    let answer = connection.get(path).await?;
    Ok(Answer {
        took: answer.took + connected,
        ..answer
    })
}

/// Asks the platform, with the run's token.
pub async fn look(port: u16, path: &str, token: &str) -> Result<Answer, String> {
    Connection::open(port).await?.ask(path, token).await
}

fn header<T>(response: &Response<T>, name: &str) -> String {
    let value = response
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// `queue;dur=0.1, create;dur=0` by name.
fn phases(header: &str) -> BTreeMap<String, f64> {
    let phase = |text: &str| {
        let (name, time) = text.trim().split_once(";dur=")?;
        Some((name.to_owned(), time.parse().ok()?))
    };
    header.split(',').filter_map(phase).collect()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
