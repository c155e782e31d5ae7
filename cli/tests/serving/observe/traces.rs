use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, channel};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use super::kept;
use crate::support::{Dev, Folder, PATIENCE, fnlocal};

const SHOWS: &str = "exports.shows = (req, res) => res.send(req.get('traceparent') ?? 'none');";
const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that takes spans over OTLP: its address, and what it was sent.
async fn collector() -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    assert_eq!(request.uri().path(), "/v1/traces");
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let _over = sender.send(ExportTraceServiceRequest::decode(body).unwrap());
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                }
            });
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, received)
}

async fn call(dev: &Dev, traceparent: Option<&str>) -> String {
    let mut request = reqwest::Client::new().get(dev.at("/shows?x=1"));
    if let Some(sent) = traceparent {
        request = request.header("traceparent", sent);
    }
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_trace_continues_in_the_function_and_is_sent_to_the_collector() {
    let (endpoint, received) = collector().await;
    let folder = Folder::new(&[("index.js", SHOWS)]);
    let mut command = crate::support::command(folder.path(), &["--runtime", "process"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    let mut dev = Dev::start_command(command);
    let seen = call(&dev, Some(SENT)).await;
    let parts: Vec<&str> = seen.split('-').collect();
    assert_eq!(parts[1], "4bf92f3577b34da6a3ce929d0e0e4736", "{seen}");
    assert_ne!(parts[2], "00f067aa0ba902b7");
    assert_eq!(parts[3], "01");
    let not_sampled = SENT.replace("-01", "-00");
    assert!(call(&dev, Some(&not_sampled)).await.ends_with("-00"));
    dev.interrupt();
    let spans = spans(&received.recv_timeout(PATIENCE).unwrap());
    let names: Vec<&str> = spans.keys().map(String::as_str).collect();
    assert!(
        names.contains(&"queue") && names.contains(&"import"),
        "{names:?}"
    );
    let request = &spans["GET /shows"];
    assert_eq!(
        hex::encode(&request.trace_id),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(hex::encode(&request.parent_span_id), "00f067aa0ba902b7");
    let handler = &spans["handler"];
    assert_eq!(
        hex::encode(&handler.span_id),
        parts[2],
        "what the function took for its parent"
    );
    for (name, span) in spans.iter().filter(|(name, _)| *name != "GET /shows") {
        assert_eq!(span.parent_span_id, request.span_id, "{name}");
        assert!(
            span.start_time_unix_nano >= request.start_time_unix_nano,
            "{name}"
        );
        assert!(
            span.end_time_unix_nano <= request.end_time_unix_nano,
            "{name}"
        );
    }
    assert!(
        received.try_recv().is_err(),
        "what nobody samples is sent to nobody"
    );
}

#[tokio::test]
async fn without_a_collector_a_clients_trace_header_passes_unchanged() {
    let folder = Folder::new(&[("index.js", SHOWS)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    assert_eq!(call(&dev, Some(SENT)).await, SENT);
    let begun = call(&dev, None).await;
    assert_eq!((begun.len(), &begun[..3]), (55, "00-"), "{begun}");
    crate::support::eventually("both are kept", async || {
        kept(&dev, "kind=invocation").await.len() == 2
    })
    .await;
    let traces = kept(&dev, "kind=invocation").await;
    assert_eq!(traces[0]["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(traces[1]["trace"], begun[3..35]);
}

#[tokio::test]
async fn an_unreachable_collector_only_causes_a_warning() {
    let folder = Folder::new(&[("index.js", SHOWS)]);
    let mut command = crate::support::command(folder.path(), &["--runtime", "process"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let mut dev = Dev::start_command(command);
    assert_eq!(call(&dev, None).await.len(), 55);
    dev.wait_for("a warning", |record| {
        record["event"] == "warning"
            && record["text"]
                .as_str()
                .unwrap()
                .contains("traces cannot be sent")
    });
    assert_eq!(dev.interrupt(), Some(0));
    let (code, _, _) = fnlocal(&["logs", "--folder", folder.path().to_str().unwrap()]);
    assert_eq!(code, 0);
}

fn spans(request: &ExportTraceServiceRequest) -> BTreeMap<String, Span> {
    let resources = request.resource_spans.iter();
    let spans = resources
        .flat_map(|one| &one.scope_spans)
        .flat_map(|one| &one.spans);
    spans
        .map(|span| (span.name.clone(), span.clone()))
        .collect()
}
