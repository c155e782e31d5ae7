//! The jobs of a node that ends: its peers get them.
//!
//! Its requests have ended by then, so none comes any more. Jobs that run are waited for; those
//! that wait, and the dead letters, go to the first of the others in the function's order, and are
//! forgotten here only when they are on its disk. An answer that is lost has them handed over again,
//! to where they are known. A node without others runs what it has for as long as it may.

mod large;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fnlocal_core::NodeId;
use fnlocal_triggers::job::{Job, JobId, JobMeta};
use fnlocal_triggers::queue::AcceptError;
use fnlocal_triggers::store::QueueStoreError;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};

use super::state::NodeState;
use fnlocal_driver::RequestBody;
use fnlocal_gateway::ClientBody;
use fnlocal_gateway::Problem;
use fnlocal_gateway::ResponseBody;
use fnlocal_gateway::peers::{FORWARDED, Link, Peers};

/// Where a node takes over jobs, on its peers' port.
pub(super) const PATH: &str = "/_fnlocal/peer/jobs";
/// Bytes of the jobs that are handed over at once. One may be larger by itself.
const AT_ONCE: usize = 1 << 20;
/// Jobs that are handed over at once.
const MANY: usize = 256;
/// The maximum number of bytes of such a request. A source's event has no file, whatever its size.
const LARGEST: usize = 64 << 20;
/// The maximum number of bytes of a peer's answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// For an answer, which comes after a sync of the disk.
const ANSWER: Duration = Duration::from_secs(10);

/// Jobs on their way.
#[derive(Serialize, Deserialize)]
struct Handed {
    /// The node that had them.
    from: String,
    jobs: Vec<HandedJob>,
}

/// A job with its body.
#[derive(Serialize, Deserialize)]
struct HandedJob {
    head: JobMeta,
    /// As base64.
    body: String,
}

/// Takes over jobs of another node.
pub(super) async fn take(
    state: &NodeState,
    request: Request<ClientBody>,
) -> Response<ResponseBody> {
    let wrong = |status, what: String| Problem::new(status, "jobs", what).response("");
    let health = state.health();
    if !health.is_good() || !health.is_well() {
        let what = "this node takes over no jobs now";
        return wrong(StatusCode::SERVICE_UNAVAILABLE, what.to_owned());
    }
    if request.headers().contains_key(large::FROM) {
        return match large::take(state, request).await {
            Ok(from) => {
                state.logs.note(format!("1 job of {from} is run here"));
                Response::new(ResponseBody::full("{}"))
            }
            Err((status, what)) => wrong(status, what),
        };
    }
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let handed = body
        .map_err(|error| error.to_string())
        .and_then(|body| read(&body.to_bytes()));
    let (from, jobs) = match handed {
        Ok(handed) => handed,
        Err(what) => return wrong(StatusCode::BAD_REQUEST, what),
    };
    match state.triggers.local().adopt(jobs, &from).await {
        Ok(adopted) => {
            let count = adopted.len();
            state
                .logs
                .note(format!("{count} jobs of {from} are run here"));
            Response::new(ResponseBody::full("{}"))
        }
        Err(error) => {
            let (status, what) = not_taken(&error);
            wrong(status, what)
        }
    }
}

fn not_taken(error: &AcceptError) -> (StatusCode, String) {
    let status = match error {
        AcceptError::Full | AcceptError::FullOfBytes(_) => StatusCode::SERVICE_UNAVAILABLE,
        AcceptError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        AcceptError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}

pub(crate) fn read(body: &[u8]) -> Result<(String, Vec<Job>), String> {
    let handed: Handed = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let jobs = handed.jobs.into_iter().map(|one| {
        let body = STANDARD.decode(one.body);
        let body = Bytes::from(body.map_err(|error| error.to_string())?);
        let head = one.head;
        let file = None;
        Ok(Job { head, body, file })
    });
    Ok((handed.from, jobs.collect::<Result<_, String>>()?))
}

/// Runs or hands over all jobs of a node that ends.
pub(super) async fn hand_over(state: &NodeState, until: Instant) {
    let triggers = &state.triggers;
    triggers.stop_sources();
    if state.company.others() == 0 {
        // The rest is then on the disk, if that stays.
        let _late = timeout_at(until, triggers.local().emptied()).await;
    }
    // A run that does not end in time runs again, elsewhere.
    let _late = timeout_at(until, triggers.queue().drain()).await;
    let moved = Cell::new(0);
    let handing = timeout_at(until.max(Instant::now() + ANSWER), hand_all(state, &moved)).await;
    if moved.get() > 0 {
        let count = moved.get();
        state
            .logs
            .note(format!("{count} jobs were handed to other nodes"));
    }
    let left = triggers.local().ids().await;
    let left = left.map_or(0, |all| all.values().map(Vec::len).sum());
    let why = match handing {
        Ok(Ok(())) if left == 0 => return,
        Ok(Ok(())) => "no other node takes them".to_owned(),
        Ok(Err(why)) => why,
        Err(_) => "there was no time left".to_owned(),
    };
    state.logs.warn(format!(
        "{left} jobs stay on this machine, and are lost with its disk: {why}"
    ));
}

async fn hand_all(state: &NodeState, moved: &Cell<usize>) -> Result<(), String> {
    let by_function = state.triggers.local().ids().await;
    for (function, ids) in by_function.map_err(|error| error.to_string())? {
        let mut heirs = state.company.heirs(&function);
        heirs.reverse();
        let mut ids = ids.into_iter().peekable();
        while ids.peek().is_some() {
            let (jobs, gone) = some(state, &mut ids).await?;
            if !offer(state, &jobs, &mut heirs).await? {
                break;
            }
            moved.update(|count| count + gone.len());
            let forgotten = state.triggers.local().forget(gone).await;
            forgotten.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// The jobs that are handed over at once.
enum Parcel {
    Small(Bytes),
    Large(large::LargeJob),
}

/// As many jobs as are handed over at once, and their numbers.
async fn some(
    state: &NodeState,
    ids: &mut std::iter::Peekable<impl Iterator<Item = JobId>>,
) -> Result<(Parcel, Vec<JobId>), String> {
    let (mut jobs, mut gone, mut bytes) = (Vec::new(), Vec::new(), 0);
    let from = state.health().node();
    while bytes < AT_ONCE && jobs.len() < MANY {
        let Some(&id) = ids.peek() else { break };
        let job = match state.triggers.queue().show(id).await {
            Ok(job) => job,
            // Its body is gone, and nobody else has it.
            Err(QueueStoreError::Body { .. }) => None,
            Err(error) => return Err(error.to_string()),
        };
        let Some(job) = job else {
            ids.next();
            continue;
        };
        if let Some(file) = job.file {
            if jobs.is_empty() {
                ids.next();
                let large = large::LargeJob::new(from, &job.head, file);
                return Ok((Parcel::Large(large?), vec![id]));
            }
            break;
        }
        ids.next();
        gone.push(id);
        bytes += usize::try_from(job.head.bytes()).unwrap_or(AT_ONCE);
        jobs.push(HandedJob {
            head: job.head,
            body: STANDARD.encode(&job.body),
        });
    }
    let handed = serde_json::to_vec(&Handed { from, jobs });
    let handed = handed.map_err(|error| error.to_string())?;
    Ok((Parcel::Small(handed.into()), gone))
}

/// Offers jobs to one successor after the other, the last of them first. Returns whether one has
/// them now.
async fn offer(
    state: &NodeState,
    jobs: &Parcel,
    heirs: &mut Vec<(NodeId, Rc<Link>)>,
) -> Result<bool, String> {
    while let Some((_, link)) = heirs.last() {
        let token = state.company.token();
        let mut request = match jobs {
            Parcel::Small(handed) => Request::new(RequestBody::Full(Some(handed.clone()))),
            Parcel::Large(job) => job.request(),
        };
        let patience = match jobs {
            Parcel::Small(_) => ANSWER,
            Parcel::Large(job) => ANSWER + job.patience(),
        };
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static(PATH);
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("peer"));
        headers.insert(FORWARDED, token.clone());
        if let Ok(true) = timeout(patience, send(link, request)).await {
            return Ok(true);
        }
        heirs.pop();
    }
    Ok(false)
}

/// Sends the jobs. Returns whether they were taken over.
async fn send(link: &Link, request: Request<RequestBody>) -> bool {
    let Ok((response, connection)) = link.send(request).await else {
        return false;
    };
    let taken = response.status() == StatusCode::OK;
    let rest = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
    if rest.collect().await.is_ok() {
        link.put(connection);
    }
    taken
}
