//! One job whose body is too large for memory, from disk to disk: a line of JSON with all but the
//! body, then the body.

use fnlocal_api::headers as api_headers;
use std::fs::File;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fnlocal_triggers::job::JobMeta;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::task::spawn_blocking;

use super::NodeState;
use fnlocal_driver::spool::{SpoolError, SpoolLimits, Spooled, spool};
use fnlocal_driver::{RequestBody, TrackedBody};
use fnlocal_gateway::ClientBody;

/// Names the node that hands a job over in this way.
pub(super) const FROM: HeaderName = HeaderName::from_static(api_headers::JOB_FROM);
/// The maximum number of bytes of the line. A job's headers have less.
const MAX_LINE_BYTES: usize = 1 << 20;
/// The minimum rate at which a peer takes a body, in bytes per second.
const MIN_RATE: u64 = 1 << 20;
/// Time without a byte after which a peer is given up.
const IDLE: Duration = Duration::from_secs(10);

/// A job on its way.
pub(super) struct LargeJob {
    from: String,
    line: Bytes,
    body: Spooled,
}

impl LargeJob {
    pub fn new(from: String, head: &JobMeta, file: Arc<File>) -> Result<Self, String> {
        let line = serde_json::to_string(head).map_err(|error| error.to_string())?;
        Ok(Self {
            from,
            line: format!("{line}\n").into(),
            body: Spooled::of_file(file, head.size),
        })
    }

    /// The request that hands it over; may be made more than once.
    pub fn request(&self) -> Request<RequestBody> {
        let body = self.body.body_after(self.line.clone());
        let mut request = Request::new(RequestBody::Tracked(TrackedBody::new(body, Rc::default())));
        if let Ok(from) = HeaderValue::from_str(&self.from) {
            request.headers_mut().insert(FROM, from);
        }
        request
    }

    /// The time its body may take.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.body.size() / MIN_RATE)
    }
}

/// Takes over a job, and returns the name of the node it comes from.
pub(super) async fn take(
    state: &NodeState,
    request: Request<ClientBody>,
) -> Result<String, (StatusCode, String)> {
    let bad = |what: &str| (StatusCode::BAD_REQUEST, what.to_owned());
    let from = request.headers().get(FROM);
    let from = from.and_then(|from| from.to_str().ok()).unwrap_or_default();
    let from = from.to_owned();
    let mut body = Rest {
        first: None,
        body: request.into_body(),
    };
    let line = body.line().await.ok_or_else(|| bad("no job came"))?;
    let head: JobMeta = serde_json::from_slice(&line).map_err(|error| bad(&error.to_string()))?;
    let queue = state.triggers.local();
    let file = queue.keeper().bodies().reserve();
    let limits = SpoolLimits {
        // All of it is wanted in the file.
        memory_bytes: 0,
        max_bytes: head.size,
        idle: IDLE,
        min_rate: MIN_RATE,
        grace: IDLE,
    };
    let making = Arc::clone(&file);
    let (mut taken, free) = (0, queue.free_bytes());
    let room = |more| {
        taken += more;
        taken <= free
    };
    let spooled = spool(body, limits, room, move || making.create()).await;
    let spooled = spooled.map_err(|error| match error {
        SpoolError::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        error => bad(&error.to_string()),
    })?;
    let written = spooled.file().filter(|_| spooled.size() == head.size);
    let written = Arc::clone(written.ok_or_else(|| bad("the body did not come whole"))?);
    let syncing = Arc::clone(&file);
    let synced = spawn_blocking(move || syncing.sync(&written)).await;
    let synced = synced.map_err(std::io::Error::other).flatten();
    synced.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let adopted = queue.adopt_with(head, &from, file).await;
    adopted.map_err(|error| super::not_taken(&error))?;
    Ok(from)
}

/// The rest of a body behind its first line.
struct Rest {
    first: Option<Frame<Bytes>>,
    body: ClientBody,
}

impl Rest {
    /// The first line; `None` if there is none, or none that is short enough.
    async fn line(&mut self) -> Option<Bytes> {
        let mut begun = BytesMut::new();
        while begun.len() <= MAX_LINE_BYTES {
            let data = self.body.frame().await?.ok()?.into_data().ok()?;
            let scanned = begun.len();
            begun.extend_from_slice(&data);
            let end = begun[scanned..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = begun.split_to(scanned + end).freeze();
                let rest = begun.freeze().slice(1..);
                self.first = Some(Frame::data(rest));
                return Some(line);
            }
        }
        None
    }
}

impl Body for Rest {
    type Data = Bytes;
    type Error = <ClientBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
