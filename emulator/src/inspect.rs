//! `dev --inspect`: a port for debuggers that stays the same while instances come and go.
//!
//! Behind the port is the inspector of the instance that serves the function now, which the wrapper
//! connects to a socket of ours. Messages are rewritten in one respect: files have the person's
//! paths, not those inside an instance, so that breakpoints mean the same before and after a save.
//!
//! A debugger that attaches may run code. So it must know this run's id from `/json/list`, which
//! answers to this machine's own names only.

mod session;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::listeners::{ListenError, listen};
use fnlocal_driver::{BoxError, Driver, InspectTarget};
use fnlocal_gateway::asks_locally;

/// For an instance to be there: a reload, or the first start.
const INSTANCE_WAIT: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 20 });

/// Time for the head of a debugger's request, and for an unused connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for all of a connection that has not become a debugger's session. Debuggers that ask every
/// second then connect again.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Time for the last answer of such a connection to be taken.
const CLOSING_GRACE: Duration = Duration::from_secs(5);
/// The maximum length of what an instance's inspector answers to `/json/…`, in bytes: its protocol
/// has less than two megabytes.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// The maximum number of connections that have not become a debugger's session yet.
const MAX_CONNECTIONS: usize = 64;

/// The function to debug, and the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectOptions {
    /// The function.
    pub function: String,
    /// The port for debuggers, on 127.0.0.1; 0 takes a free one.
    pub port: u16,
}

/// A port for debuggers.
pub(crate) struct Inspector {
    listener: TcpListener,
    function: Arc<str>,
}

impl Inspector {
    /// Takes the port.
    ///
    /// # Errors
    /// Fails if the port is taken, or not allowed.
    pub async fn listen(options: &InspectOptions) -> Result<Self, ListenError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        Ok(Self {
            listener: listen(address).await?,
            function: options.function.as_str().into(),
        })
    }

    /// The function that is debugged.
    pub fn function(&self) -> &Arc<str> {
        &self.function
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.listener
            .local_addr()
            .map_or(0, |address| address.port())
    }

    /// Serves debuggers until dropped.
    pub async fn serve(self, driver: Rc<Driver>) {
        let changed = Rc::new(Notify::new());
        let told = Rc::clone(&changed);
        driver.on_instances(move |_| told.notify_waiters());
        let port = Rc::new(Port {
            driver,
            changed,
            id: format!("{:032x}", rand::random::<u128>()),
        });
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // Those that send nothing end soon, and then there is room.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let serving = Rc::clone(&port).connection(stream, peer);
                    tokio::task::spawn_local(async move {
                        serving.await;
                        drop(place);
                    });
                }
                // Out of file descriptors, most likely: waiting lets some connection end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

struct Port {
    driver: Rc<Driver>,
    changed: Rc<Notify>,
    /// The id by which a debugger attaches, the same for as long as this runs.
    id: String,
}

impl Port {
    async fn connection(self: Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let service = service_fn(move |request| {
            let port = Rc::clone(&self);
            async move { Ok::<_, Infallible>(port.answer(request, peer).await) }
        });
        serve(stream, service, HEAD_TIMEOUT, CONNECTION_TIMEOUT).await;
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        if asks_locally(&request, peer).is_err() {
            return said(StatusCode::FORBIDDEN, "only this machine may debug\n");
        }
        let Some(target) = self.target().await else {
            let why = "the function has no instance: does its code load?\n";
            return said(StatusCode::SERVICE_UNAVAILABLE, why);
        };
        let answered = if request.headers().contains_key(header::UPGRADE) {
            self.attach(request, target).await
        } else {
            self.list(&request, &target).await
        };
        answered.unwrap_or_else(|error| said(StatusCode::BAD_GATEWAY, &format!("{error}\n")))
    }

    /// The inspector of the instance that serves the function, waiting for one to come.
    async fn target(&self) -> Option<InspectTarget> {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if let Some(target) = self.driver.inspected() {
                    return target;
                }
                changed.await;
            }
        };
        timeout(INSTANCE_WAIT, waiting).await.ok()
    }

    /// `/json/…`: what there is to attach to.
    async fn list(
        &self,
        request: &Request<Incoming>,
        target: &InspectTarget,
    ) -> Result<Response<Full<Bytes>>, BoxError> {
        let path = request.uri().path();
        let host = request.headers().get(header::HOST).cloned();
        let (status, body) = ask(target, path, host.clone()).await?;
        let mut text = target.paths.to_client(&String::from_utf8_lossy(&body));
        if let Some(id) = id_of(target).await? {
            text = text.replace(&id, &self.id);
        }
        let mut response = said(status, &text);
        let kind = HeaderValue::from_static("application/json; charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }

    /// A debugger attaches to the instance there is now.
    async fn attach(
        &self,
        mut request: Request<Incoming>,
        target: InspectTarget,
    ) -> Result<Response<Full<Bytes>>, BoxError> {
        if request.uri().path().trim_matches('/') != self.id {
            let why = "there is nothing of this id: see /json/list\n";
            return Ok(said(StatusCode::NOT_FOUND, why));
        }
        let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
        let accept = session::accept_key(key.ok_or("no Sec-WebSocket-Key")?);
        let id = id_of(&target).await?.ok_or("the inspector has no target")?;
        let stream = connection(&target).await?;
        let opened = timeout(INSTANCE_WAIT, session::open(stream, &id));
        let instance = opened.await??;
        let client = hyper::upgrade::on(&mut request);
        tokio::task::spawn_local(session::carry(client, instance, target.paths));
        let mut response = said(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept?);
        Ok(response)
    }
}

/// Serves a connection until it ends, becomes a debugger's session, or its time is up.
async fn serve<S>(stream: TcpStream, service: S, head: Duration, whole: Duration)
where
    S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible>,
{
    let serving = server::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving.with_upgrades());
    // A debugger's broken connection is its own affair.
    if timeout(whole, &mut serving).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _broken = timeout(CLOSING_GRACE, serving).await;
    }
}

async fn connection(target: &InspectTarget) -> Result<UnixStream, BoxError> {
    let dialed = timeout(INSTANCE_WAIT, target.listener.accept());
    Ok(dialed.await??)
}

/// Returns the id of the instance's inspector.
async fn id_of(target: &InspectTarget) -> Result<Option<String>, BoxError> {
    let (_, body) = ask(target, "/json/list", None).await?;
    let list: serde_json::Value = serde_json::from_slice(&body)?;
    Ok(list[0]["id"].as_str().map(str::to_owned))
}

async fn ask(
    target: &InspectTarget,
    path: &str,
    host: Option<HeaderValue>,
) -> Result<(StatusCode, Bytes), BoxError> {
    let stream = connection(target).await?;
    let answered = ask_over(stream, path, host);
    let late = |_| "the instance's inspector did not answer in time";
    timeout(INSTANCE_WAIT, answered).await.map_err(late)?
}

async fn ask_over(
    stream: UnixStream,
    path: &str,
    host: Option<HeaderValue>,
) -> Result<(StatusCode, Bytes), BoxError> {
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with `sender`; its error is the answer's.
    tokio::task::spawn_local(async move { drop(connection.await) });
    // The inspector answers who names this machine, and writes that name into its URLs.
    let host = host.unwrap_or(HeaderValue::from_static("localhost"));
    let request = Request::get(path).header(header::HOST, host);
    let response = sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
    Ok((status, body.collect().await?.to_bytes()))
}

fn said(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
