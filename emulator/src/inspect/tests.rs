use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{LocalSet, spawn_local};

use super::*;
use fnlocal_language::InspectPaths;
use fnlocal_runtime::InstanceListener;
use fnlocal_runtime::place::SOCKET;

/// An instance whose inspector answers with `answer`, and then either closes or is silent.
async fn asked(answer: &[u8], closes: bool) -> Result<(StatusCode, Bytes), BoxError> {
    let folder = tempfile::tempdir().unwrap();
    let listener = InstanceListener::bind(folder.path().to_owned()).unwrap();
    let target = InspectTarget {
        listener,
        paths: InspectPaths::new("/app/", "/shop/"),
    };
    let mut stream = UnixStream::connect(folder.path().join(SOCKET))
        .await
        .unwrap();
    let answering = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut head).await.unwrap();
        }
        // The other side may have gone before the end.
        let _gone = stream.write_all(answer).await;
        if !closes {
            std::future::pending::<()>().await;
        }
        drop(stream);
        std::future::pending().await
    };
    tokio::select! {
        asked = ask(&target, "/json/list", None) => asked,
        () = answering => unreachable!(),
    }
}

fn in_local<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, work)
}

#[test]
fn an_answer_of_an_inspector_is_bounded_in_bytes() {
    let body = vec![b' '; MAX_ANSWER_BYTES];
    let whole = [b"HTTP/1.1 200 OK\r\n\r\n", &body[..]].concat();
    let (status, bytes) = in_local(asked(&whole, true)).unwrap();
    assert_eq!((status, bytes.len()), (StatusCode::OK, MAX_ANSWER_BYTES));
    let more = [&whole[..], b" "].concat();
    let error = in_local(asked(&more, true)).unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
}

#[test]
fn an_inspector_that_does_not_answer_in_time_is_an_error() {
    let halves = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-",
        "HTTP/1.1 200 OK\r\n\r\n[{",
    ];
    let asking = halves.map(|half| asked(half.as_bytes(), false));
    for (half, asked) in halves.iter().zip(in_local(join_all(asking))) {
        let error = asked.unwrap_err().to_string();
        assert!(error.contains("in time"), "{half:?}: {error}");
    }
}

/// Returns the bytes of a connection on which `bytes` are sent and no more; `reads` says whether
/// answers are taken.
async fn left(bytes: &[u8], reads: bool) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let answer = service_fn(|_: Request<Incoming>| async {
        let large = Bytes::from(vec![b'x'; 16 << 20]);
        Ok::<_, Infallible>(Response::new(Full::new(large)))
    });
    let head = Duration::from_millis(100);
    let serving = spawn_local(serve(stream, answer, head, 3 * head));
    client.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    if reads {
        // A reset closes it as well.
        let _reset = client.read_to_end(&mut answer).await;
    }
    let ended = timeout(Duration::from_secs(60), serving).await;
    ended.expect("it is still open").unwrap();
    answer
}

#[test]
fn every_state_of_a_debuggers_connection_has_a_deadline() {
    let whole = "GET /json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (bytes, answers) in [
        ("", false),
        ("GET /json HTTP/1.1\r\nhost: ", false),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
        (whole, true),
    ] {
        let answer = in_local(left(bytes.as_bytes(), true));
        assert_eq!(answer.starts_with(b"HTTP/1.1 200 OK"), answers, "{bytes}");
    }
    in_local(left(whole.as_bytes(), false));
}
