use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};

use super::*;

const LIMITS: SpoolLimits = SpoolLimits {
    memory_bytes: 1000,
    max_bytes: 1 << 20,
    idle: Duration::from_secs(60),
    min_rate: 1000,
    grace: Duration::from_secs(60),
};

fn chunks(
    chunk: &'static [u8],
    many: usize,
) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let frames = (0..many).map(move |_| Ok(Frame::data(Bytes::from_static(chunk))));
    StreamBody::new(stream::iter(frames))
}

/// Sends a byte whenever `pause` has passed, without end.
fn trickle(pause: Duration) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    StreamBody::new(Box::pin(stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(Bytes::from_static(b"x"))), ()))
    })))
}

fn no_file() -> std::io::Result<File> {
    Err(std::io::ErrorKind::StorageFull.into())
}

async fn read(spooled: &Spooled) -> Bytes {
    let body = spooled.body();
    assert_eq!(body.size_hint().exact(), Some(spooled.size()));
    body.collect().await.expect("reads").to_bytes()
}

#[tokio::test]
async fn a_small_body_stays_in_memory() {
    let spooled = spool(chunks(b"0123456789", 100), LIMITS, |_| true, no_file);
    let spooled = spooled.await.expect("fits");
    assert_eq!(spooled.in_memory().map(Bytes::len), Some(1000));
    assert_eq!(read(&spooled).await, read(&spooled).await);
}

#[tokio::test]
async fn a_large_body_is_stored_in_a_file_and_can_be_read_repeatedly() {
    let spooled = spool(
        chunks(b"0123456789", 50_000),
        LIMITS,
        |_| true,
        tempfile::tempfile,
    );
    let spooled = spooled.await.expect("fits");
    assert!(spooled.in_memory().is_none());
    for _ in 0..2 {
        let whole = read(&spooled).await;
        assert_eq!(whole.len(), 500_000);
        assert!(whole.chunks(10).all(|chunk| chunk == b"0123456789"));
    }
}

#[tokio::test]
async fn trailers_are_returned_with_every_read() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("1"));
    let frames = [
        Frame::data(Bytes::from_static(b"a")),
        Frame::trailers(trailers),
    ];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let spooled = spool(body, LIMITS, |_| true, no_file).await.expect("fits");
    for _ in 0..2 {
        let read = spooled.body().collect().await.expect("reads");
        assert!(read.trailers().is_some_and(|all| all.contains_key("x-sum")));
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_rejected_before_it_ends() {
    let endless = chunks(&[0; 4096], usize::MAX);
    let spooled = spool(endless, LIMITS, |_| true, tempfile::tempfile).await;
    assert!(matches!(spooled, Err(SpoolError::TooLarge(limit)) if limit == LIMITS.max_bytes));
}

#[tokio::test]
async fn a_sender_that_pauses_too_long_is_rejected() {
    let limits = SpoolLimits {
        idle: Duration::from_millis(50),
        ..LIMITS
    };
    let never = trickle(Duration::from_secs(3600));
    let spooled = spool(never, limits, |_| true, no_file).await;
    assert!(matches!(spooled, Err(SpoolError::TooSlow)));
}

#[tokio::test]
async fn a_sender_below_the_minimum_rate_is_rejected_even_if_it_never_pauses() {
    let limits = SpoolLimits {
        grace: Duration::from_millis(200),
        ..LIMITS
    };
    let slow = trickle(Duration::from_millis(10));
    let spooled = spool(slow, limits, |_| true, no_file).await;
    assert!(matches!(spooled, Err(SpoolError::TooSlow)));
}

#[tokio::test]
async fn a_body_is_rejected_once_the_space_budget_is_exhausted() {
    let taken = Rc::new(Cell::new(0));
    let room = |more| {
        taken.update(|taken| taken + more);
        taken.get() <= 50_000
    };
    let endless = chunks(&[0; 4096], usize::MAX);
    let spooled = spool(endless, LIMITS, room, tempfile::tempfile).await;
    assert!(matches!(spooled, Err(SpoolError::NoRoom)));
}

#[tokio::test]
async fn a_disk_write_failure_is_reported() {
    let spooled = spool(chunks(&[0; 4096], 10), LIMITS, |_| true, no_file).await;
    assert!(matches!(spooled, Err(SpoolError::Disk(_))));
}

#[tokio::test]
async fn reading_a_truncated_spool_file_fails() {
    let spooled = spool(
        chunks(&[0; 4096], 100),
        LIMITS,
        |_| true,
        tempfile::tempfile,
    );
    let spooled = spooled.await.expect("fits");
    let file = spooled.file().expect("is in a file");
    file.set_len(70_000).expect("is cut");
    assert!(spooled.body().collect().await.is_err());
}
