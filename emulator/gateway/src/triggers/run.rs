//! One run of a job: its request, and what its answer means.

use std::rc::Rc;
use std::sync::Arc;

use fnlocal_api::headers as api_headers;
use fnlocal_core::RefuseReason;
use fnlocal_core::route_table::RouteLookup;
use fnlocal_triggers::delivery::RunOutcome;
use fnlocal_triggers::job::Job;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use tracing::Span;

use crate::body::{AnswerBodyError, BodyBounds, Lease, LeasedBody};
use crate::invocation::FunctionInvocation;
use crate::no_answer::NoAnswerReason;
use crate::outgoing::OutgoingRequest;
use crate::routes::told;
use fnlocal_driver::spool::Spooled;
use fnlocal_driver::{Driver, Function};

/// The number of bytes of an error answer that are kept.
const MAX_KEPT_ERROR_BYTES: usize = 2048;

/// Runs a job. `runs` is called once an instance is asked.
pub(super) async fn run(
    driver: &Rc<Driver>,
    function: &Function,
    job: &Job,
    mut runs: impl FnMut(),
) -> RunOutcome {
    let Some(mut request) = request(job) else {
        return RunOutcome::Failed {
            error: "its path or a header of it is none HTTP allows".to_owned(),
            hopeless: true,
            status: StatusCode::BAD_REQUEST.as_u16(),
        };
    };
    let path = job.head.path.split('?').next().unwrap_or_default();
    let route = driver.with_functions(|known| known.routes().find("POST", path));
    if let RouteLookup::Found(route) = route
        && route.function == *function.name
    {
        request.headers_mut().extend(told(&route).0);
    }
    let invocation = FunctionInvocation {
        driver,
        function,
        name: job.head.id.to_string().into(),
        span: Span::none(),
    };
    let mut outgoing = OutgoingRequest::from_job(request);
    let answered = match invocation.answer(&mut outgoing, |_| runs()).await {
        Ok(answered) => answered,
        Err(no_answer) => return not_answered(&no_answer, driver, function).await,
    };
    let (head, body) = answered.response.into_parts();
    // A run's answer has no reader, so unlike a request's it ends within the timeout, too.
    let time = driver.timeout_of(function);
    let left = time.saturating_sub(answered.dispatched.elapsed());
    let bounds = BodyBounds {
        idle_timeout: time,
        multiplexed: false,
        limit: function.settings.response_limit,
    };
    match timeout(left, read(body, answered.lease, bounds)).await {
        Ok(Ok(kept)) => judge(head.status, &kept),
        Ok(Err(AnswerBodyError::Idle)) | Err(_) => too_long(function),
        Ok(Err(error)) => RunOutcome::Failed {
            error: error.to_string(),
            hopeless: matches!(error, AnswerBodyError::TooLarge),
            status: StatusCode::BAD_GATEWAY.as_u16(),
        },
    }
}

/// Reads the answer to its end, since that is the run's end, and returns the beginning of it.
async fn read(
    body: Incoming,
    lease: Lease,
    bounds: BodyBounds,
) -> Result<Vec<u8>, AnswerBodyError> {
    let mut kept = Vec::new();
    let Some(mut body) = LeasedBody::new(body, lease, bounds) else {
        return Ok(kept);
    };
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = MAX_KEPT_ERROR_BYTES.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..room.min(data.len())]);
        }
    }
    Ok(kept)
}

fn too_long(function: &Function) -> RunOutcome {
    let timeout = function.settings.limits.timeout.as_millis();
    RunOutcome::Failed {
        error: format!("its answer did not end within the function's timeout of {timeout} ms"),
        hopeless: false,
        status: StatusCode::GATEWAY_TIMEOUT.as_u16(),
    }
}

/// Returns the meaning of an answer. 408, 425, 429 and 5xx may be better another time; any other
/// 4xx says that the event itself is wrong.
fn judge(status: StatusCode, body: &[u8]) -> RunOutcome {
    if status.is_success() || status.is_redirection() {
        return RunOutcome::Done {
            status: status.as_u16(),
        };
    }
    let passing = matches!(status.as_u16(), 408 | 425 | 429);
    let text = String::from_utf8_lossy(body);
    RunOutcome::Failed {
        error: format!("{status}: {}", text.trim()),
        hopeless: status.is_client_error() && !passing,
        status: status.as_u16(),
    }
}

async fn not_answered(
    no_answer: &NoAnswerReason,
    driver: &Driver,
    function: &Function,
) -> RunOutcome {
    let problem = no_answer.problem(driver, function).await;
    match no_answer {
        // All other refusals come before a run.
        NoAnswerReason::Refused(refused, _)
            if !matches!(
                refused.reason,
                RefuseReason::Timeout | RefuseReason::InstanceDied
            ) =>
        {
            RunOutcome::NotRun {
                why: problem.detail,
                after: refused.retry_after,
            }
        }
        NoAnswerReason::BodyBroke => RunOutcome::Failed {
            error: "its body cannot be read from its file".to_owned(),
            hopeless: false,
            status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
        },
        _ => RunOutcome::Failed {
            error: problem.detail,
            hopeless: matches!(no_answer, NoAnswerReason::TooLarge(_)),
            status: problem.status.as_u16(),
        },
    }
}

/// The request a job becomes.
fn request(job: &Job) -> Option<Request<Spooled>> {
    let mut request = Request::new(match &job.file {
        Some(file) => Spooled::of_file(Arc::clone(file), job.head.size),
        None => Spooled::from(job.body.clone()),
    });
    *request.method_mut() = Method::POST;
    *request.uri_mut() = job.head.path.parse().ok()?;
    let headers = request.headers_mut();
    for (name, value) in &job.head.headers {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        headers.append(name, HeaderValue::try_from(value.as_str()).ok()?);
    }
    headers.insert(header::HOST, HeaderValue::from_static("function"));
    let own = [
        (api_headers::REQUEST_ID, job.head.id.to_string()),
        (api_headers::TRIGGER, job.head.trigger.word().to_owned()),
        (api_headers::ATTEMPT, (job.head.attempts + 1).to_string()),
    ];
    for (name, value) in own {
        headers.insert(name, HeaderValue::try_from(value).ok()?);
    }
    Some(request)
}
