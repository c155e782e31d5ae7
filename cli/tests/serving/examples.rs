//! Every example as a person would try it, on real Docker: in `dev`, and as a release in `up`.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::{Duration, Instant};

use crate::support::{Dev, Folder, header};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

type Start = fn(&Folder) -> Dev;

/// Each of the functions below, as a test with `dev` and as one with `up`.
macro_rules! with_both {
    ($($name:ident),* $(,)?) => {
        mod dev {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::Dev::start).await;
                }
            )*
        }
        mod up {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::Dev::up).await;
                }
            )*
        }
    };
}

with_both!(
    hello_greets,
    the_auction_remembers_bids_between_warm_calls,
    bids_nobody_waits_for_move_the_timer_and_reach_those_who_watch,
    server_sent_events_come_one_by_one_and_end_with_the_client,
    a_body_streams_through_while_it_comes,
    typescript_runs_as_it_is,
    websocket_clients_hear_each_other,
    whatever_a_handler_does_wrong_is_answered_with_its_reason,
    a_function_that_outgrows_its_memory_says_so,
);

async fn hello_greets(start: Start) {
    let folder = Folder::example("hello");
    let dev = start(&folder);
    let answer = reqwest::get(dev.at("/hello?name=Ada")).await.unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"hello": "Ada"})
    );
    assert_eq!(reqwest::get(dev.at("/time")).await.unwrap().status(), 200);
}

async fn the_auction_remembers_bids_between_warm_calls(start: Start) {
    let folder = Folder::example("auction");
    let dev = start(&folder);
    let client = reqwest::Client::new();
    let bid = |bidder: &'static str, amount: u32| {
        let body = json!({"bidder": bidder, "amount": amount});
        client.post(dev.at("/bid")).json(&body).send()
    };
    assert_eq!(bid("Ada", 10).await.unwrap().status(), 201);
    assert_eq!(bid("Bob", 5).await.unwrap().status(), 409);
    assert_eq!(bid("Bob", 20).await.unwrap().status(), 201);
    let lot: Value = reqwest::get(dev.at("/bid"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(lot["highest"], json!({"bidder": "Bob", "amount": 20}));
    assert_eq!(lot["bids"], 2);
}

async fn bids_nobody_waits_for_move_the_timer_and_reach_those_who_watch(start: Start) {
    let folder = Folder::example("live-auction");
    let mut dev = start(&folder);
    let client = reqwest::Client::new();
    let watching = client.get(dev.at("/auction/watch")).send().await.unwrap();
    assert!(header(&watching, "content-type").starts_with("text/event-stream"));
    let mut stream = watching.bytes_stream();
    let mut text = String::new();
    let mut next = async || {
        while !text.contains("\n\n") {
            let piece = stream.next().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        let end = text.find("\n\n").unwrap();
        let one: String = text.drain(..end + 2).collect();
        let (event, data) = one.trim().split_once('\n').unwrap();
        let lot: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (event.strip_prefix("event: ").unwrap().to_owned(), lot)
    };
    let (event, lot) = next().await;
    assert_eq!((event.as_str(), &lot["highest"]), ("lot", &Value::Null));
    let bid = async |bidder: &str, amount: u32| {
        let body = json!({"bidder": bidder, "amount": amount});
        let request = client.post(dev.at("/auction/bid")).json(&body);
        let request = request.header("x-fnlocal-invoke", "async");
        let answer = request
            .header("x-fnlocal-order-key", "teapot")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        header(&answer, "x-fnlocal-request-id").to_owned()
    };
    for (bidder, amount) in [("Ada", 10), ("Bob", 5), ("Bob", 20), ("Ada", 30)] {
        bid(bidder, amount).await;
    }
    let mut ends = Vec::new();
    for (bidder, amount) in [("Ada", 10), ("Bob", 20), ("Ada", 30)] {
        let (event, lot) = next().await;
        assert_eq!(event, "bid");
        assert_eq!(lot["highest"], json!({"bidder": bidder, "amount": amount}));
        ends.push(lot["ends"].as_str().unwrap().to_owned());
    }
    assert!(ends.is_sorted(), "{ends:?}");
    let bad = bid("Ada", 0).await;
    let record = dev.wait_for("the bad bid's end", |record| {
        record["request"] == bad.as_str()
    });
    assert_eq!(
        (&record["problem"], &record["status"]),
        (&json!("dead"), &json!(400))
    );
    let (event, lot) = next().await;
    assert_eq!((event.as_str(), &lot["sold"]), ("sold", &json!(true)));
}

async fn server_sent_events_come_one_by_one_and_end_with_the_client(start: Start) {
    let folder = Folder::example("streaming");
    let mut dev = start(&folder);
    let began = Instant::now();
    let answer = reqwest::get(dev.at("/clock?n=3&ms=300")).await.unwrap();
    assert_eq!(header(&answer, "content-type"), "text/event-stream");
    let mut stream = answer.bytes_stream();
    let mut times = Vec::new();
    while let Some(piece) = stream.next().await {
        if piece.unwrap().starts_with(b"id:") {
            times.push(began.elapsed());
        }
    }
    assert_eq!(times.len(), 3);
    assert!(
        times[2] - times[0] >= Duration::from_millis(500),
        "{times:?}"
    );

    let answer = reqwest::get(dev.at("/clock?n=1000&ms=50")).await.unwrap();
    let mut stream = answer.bytes_stream();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    dev.wait_for("the handler to notice", |record| {
        record["line"] == "the client left"
    });
    // The instance is free again for the next one.
    assert_eq!(
        reqwest::get(dev.at("/clock?n=1")).await.unwrap().status(),
        200
    );
}

async fn a_body_streams_through_while_it_comes(start: Start) {
    let folder = Folder::example("streaming");
    let dev = start(&folder);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let pieces = tokio_stream::wrappers::ReceiverStream::new(receiver);
    sender.send(Ok("one ")).await.unwrap();
    let answer = reqwest::Client::new()
        .put(dev.at("/echo"))
        .body(reqwest::Body::wrap_stream(pieces))
        .send()
        .await
        .unwrap();
    let mut back = answer.bytes_stream();
    // The first piece is back before the second is sent: nothing waits for the whole.
    assert_eq!(back.next().await.unwrap().unwrap(), "one ");
    sender.send(Ok("two")).await.unwrap();
    drop(sender);
    assert_eq!(back.next().await.unwrap().unwrap(), "two");
    assert!(back.next().await.is_none());
}

async fn typescript_runs_as_it_is(start: Start) {
    let folder = Folder::example("typescript");
    let dev = start(&folder);
    let answer = reqwest::Client::new()
        .post(dev.at("/measure"))
        .json(&json!({"kind": "square", "side": 3}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"kind": "square", "area": 9})
    );
}

async fn websocket_clients_hear_each_other(start: Start) {
    let folder = Folder::example("websocket");
    let dev = start(&folder);
    let url = dev.at("/chat").replace("http:", "ws:");
    let (mut ada, upgraded) = tokio_tungstenite::connect_async(&url).await.unwrap();
    assert!(upgraded.headers().contains_key("x-fnlocal-instance"));
    assert_eq!(ada.next().await.unwrap().unwrap(), Message::text("welcome"));
    let (mut bob, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    assert_eq!(bob.next().await.unwrap().unwrap(), Message::text("welcome"));
    ada.send(Message::text("hello")).await.unwrap();
    assert_eq!(bob.next().await.unwrap().unwrap(), Message::text("hello"));
    ada.close(None).await.unwrap();
    // A plain request shares the instance with open sockets.
    let clients = reqwest::get(dev.at("/chat")).await.unwrap();
    assert!(
        clients.json::<Value>().await.unwrap()["clients"]
            .as_u64()
            .unwrap()
            >= 1
    );
}

async fn problem(dev: &Dev, path: &str) -> (u16, Value) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    (status, answer.json().await.unwrap())
}

async fn whatever_a_handler_does_wrong_is_answered_with_its_reason(start: Start) {
    let folder = Folder::example("faulty");
    let mut dev = start(&folder);
    for name in ["throws", "rejects"] {
        let (status, body) = problem(&dev, &format!("/{name}")).await;
        assert_eq!(
            (status, &body["reason"]),
            (500, &json!("handler_error")),
            "{body}"
        );
        assert_eq!(body["function"], name);
    }
    let (status, body) = problem(&dev, "/uncaught").await;
    assert_eq!(
        (status, &body["reason"]),
        (500, &json!("crashed")),
        "{body}"
    );
    for name in ["never", "spins"] {
        let (status, body) = problem(&dev, &format!("/{name}")).await;
        assert_eq!(
            (status, &body["reason"]),
            (504, &json!("timeout")),
            "{body}"
        );
    }
    let (status, body) = problem(&dev, "/exits").await;
    assert_eq!(
        (status, &body["reason"]),
        (502, &json!("instance_died")),
        "{body}"
    );
    assert!(
        body["detail"].as_str().unwrap().contains("exit code 3"),
        "{body}"
    );
    assert_eq!(reqwest::get(dev.at("/silent")).await.unwrap().status(), 200);
    dev.wait_for("the end that was noticed", |record| {
        record["event"] == "died" && record["function"] == "exits"
    });
}

async fn a_function_that_outgrows_its_memory_says_so(start: Start) {
    let folder = Folder::example("faulty");
    let dev = start(&folder);
    let (status, body) = problem(&dev, "/leaks").await;
    assert_eq!(
        (status, &body["reason"]),
        (502, &json!("instance_died")),
        "{body}"
    );
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("memory limit exceeded"),
        "{body}"
    );
    // The next request gets a fresh instance.
    assert_eq!(reqwest::get(dev.at("/silent")).await.unwrap().status(), 200);
}
