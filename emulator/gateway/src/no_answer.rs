//! Why an invocation has no answer of its function, and what is said of it.

use std::rc::Rc;

use fnlocal_core::RefuseReason;
use http::StatusCode;

use super::Problem;
use fnlocal_driver::{Driver, EXIT_REASON_GRACE, Function, Instance, Refused};

/// Why an invocation has no answer of its function.
pub(crate) enum NoAnswerReason {
    /// The core refused it; on an instance if it was sent to one.
    Refused(Refused, Option<Rc<Instance>>),
    /// The answer is larger than this number of bytes. Dropping its ticket had the instance asked
    /// whether it is idle.
    TooLarge(u64),
    /// The instance switched protocols and nothing had asked it to. Dropping its ticket had the
    /// instance asked whether it is idle.
    UnexpectedUpgrade,
    /// The source of the request's body broke off, or stopped.
    BodyBroke,
}

impl NoAnswerReason {
    /// Returns the problem for the client, or for the job. Waits a moment for the reason of an
    /// instance's end.
    pub(crate) async fn problem(&self, driver: &Driver, function: &Function) -> Problem {
        let problem = match self {
            Self::Refused(refused, instance) => {
                refusal(driver, function, *refused, instance.as_deref()).await
            }
            Self::TooLarge(limit) => {
                let what = format!("the function answered with more than {limit} bytes");
                Problem::new(StatusCode::BAD_GATEWAY, "response_too_large", what)
                    .hint("raise `response_limit`, or answer with a link to what is large")
            }
            Self::UnexpectedUpgrade => {
                let what = "the function switched protocols, which the request did not ask for";
                Problem::new(StatusCode::BAD_GATEWAY, "unexpected_upgrade", what)
                    .hint("answer 101 only to a request with `upgrade`")
            }
            Self::BodyBroke => Problem::body_broke(),
        };
        problem.function(&function.name)
    }
}

async fn refusal(
    driver: &Driver,
    function: &Function,
    refused: Refused,
    instance: Option<&Instance>,
) -> Problem {
    let mut problem = Problem::refused(refused.reason, refused.retry_after);
    match refused.reason {
        RefuseReason::BrokenCode => {
            if let Some(failure) = driver.failure_of(function) {
                problem.detail = failure.summary();
                problem.hint = failure.hint.clone().or(problem.hint);
            }
        }
        RefuseReason::InstanceDied => {
            if let Some(instance) = instance
                && let Some(end) = instance.end(EXIT_REASON_GRACE).await
            {
                let reason = end.reason;
                problem.detail = format!("the instance ended before it answered: {reason}");
            }
        }
        RefuseReason::StartFailed => {
            if let Some(why) = driver.start_failure(function) {
                problem.detail = format!("no instance could be started: {why}");
            }
        }
        RefuseReason::Timeout => {
            problem.detail = format!(
                "the function did not answer within its timeout of {} ms",
                function.settings.limits.timeout.as_millis()
            );
        }
        _ => {}
    }
    problem
}
