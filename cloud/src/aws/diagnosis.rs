//! Diagnosis of a call to AWS: service, operation, request id, time and error code. No parameters,
//! headers or answers, which may hold secrets.

use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use tracing::{Level, debug, enabled};

/// The headers by which services name a request.
const REQUEST_ID: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];
/// Where services say what went wrong, if not in the body.
const ERROR_TYPE: &str = "x-amzn-errortype";
/// The maximum length of an error code in bytes.
const MAX_CODE_BYTES: usize = 100;

/// Makes a service's client whose calls diagnosis knows.
macro_rules! client {
    ($service:ident, $config:expr) => {
        $service::Client::from_conf(
            $service::config::Builder::from($config)
                .interceptor($crate::aws::diagnosis::DiagnosedCalls)
                .build(),
        )
    };
}
pub(crate) use client;

/// Says what became of each call.
#[derive(Debug)]
pub(crate) struct DiagnosedCalls;

#[derive(Debug)]
struct CallBegan(Instant);

impl Storable for CallBegan {
    type Storer = StoreReplace<Self>;
}

impl Intercept for DiagnosedCalls {
    fn name(&self) -> &'static str {
        "DiagnosedCalls"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if enabled!(Level::DEBUG) {
            cfg.interceptor_state().store_put(CallBegan(Instant::now()));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(CallBegan(began)) = cfg.load::<CallBegan>() else {
            return Ok(());
        };
        let (call, answer) = (cfg.load::<Metadata>(), context.response());
        let failed = context.output_or_error().is_none_or(|ended| ended.is_err());
        debug!(
            service = call.map(Metadata::service),
            operation = call.map(Metadata::name),
            request_id = answer.and_then(request_id),
            status = answer.map(|answer| answer.status().as_u16()),
            code = answer.filter(|_| failed).and_then(code),
            failed,
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "call"
        );
        Ok(())
    }
}

fn request_id(answer: &HttpResponse) -> Option<&str> {
    let headers = answer.headers();
    let named = REQUEST_ID.into_iter().find_map(|name| headers.get(name));
    named.or_else(|| {
        between(
            answer,
            &[
                ("<RequestId>", "<"),
                ("<requestId>", "<"),
                ("<RequestID>", "<"),
            ],
        )
    })
}

/// The code of an error: in a header, or in the body as XML or JSON.
fn code(answer: &HttpResponse) -> Option<&str> {
    if let Some(named) = answer.headers().get(ERROR_TYPE) {
        return named.split(':').next();
    }
    let code = between(answer, &[("<Code>", "<"), ("\"__type\":\"", "\"")]);
    code.and_then(|code| code.rsplit('#').next())
}

/// Returns the text of the body between two others, if that text looks like a word.
fn between<'a>(answer: &'a HttpResponse, marks: &[(&str, &str)]) -> Option<&'a str> {
    let body = std::str::from_utf8(answer.body().bytes()?).ok()?;
    let word = marks.iter().find_map(|(before, after)| {
        let (_, rest) = body.split_once(before)?;
        Some(rest.split_once(after)?.0)
    })?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '#');
    (word.len() <= MAX_CODE_BYTES && word.chars().all(is_word)).then_some(word)
}
