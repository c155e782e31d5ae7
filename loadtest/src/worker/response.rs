//! The result of one request.

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::sample::{GatewayPhases, NoAnswer, SampleKind};
use crate::scenario::{ScenarioStep, UnmetExpectation};

/// An answer's body is kept up to this size where something is expected of it.
const BODY_KEPT: usize = 1 << 20;

/// The result of one request.
pub(super) struct RequestResult {
    pub status: u16,
    pub kind: SampleKind,
    pub error: bool,
    pub phases: Option<GatewayPhases>,
}

/// Reads an answer to its last byte.
pub(super) async fn read(
    response: http::Response<Incoming>,
    step: &ScenarioStep,
) -> Result<RequestResult, NoAnswer> {
    let (parts, body) = response.into_parts();
    let kept = if step.expect.body.is_some() {
        let body = Limited::new(body, BODY_KEPT).collect().await;
        Some(body.map_err(|_| NoAnswer::Broke)?.to_bytes())
    } else {
        let mut body = body;
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| NoAnswer::Broke)?;
        }
        None
    };
    let verdict: Option<UnmetExpectation> = step.expect.verdict(parts.status, kept.as_deref());
    Ok(RequestResult {
        status: parts.status.as_u16(),
        kind: SampleKind::from_headers(&parts.headers),
        error: verdict.is_some(),
        phases: GatewayPhases::from_headers(&parts.headers),
    })
}
