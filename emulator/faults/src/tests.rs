use tokio::task::LocalSet;

use super::*;

#[tokio::test]
async fn a_panic_of_a_vital_thread_stops_serving_and_runs_the_cleanup() {
    let faults = Faults::default();
    let mut ended = false;
    let serving = async {
        faults.panicked("journal", "a duration of 1e22");
        std::future::pending::<Result<(), Broken>>().await
    };
    let served = faults.around(drop, serving, async { ended = true }).await;
    assert_eq!(served.unwrap_err().0, "journal: its thread panicked");
    assert!(ended);
    assert_eq!(faults.panics(), 1);
    assert_eq!(faults.missing()[0].part, "journal");
}

#[tokio::test]
async fn a_fatal_fault_ends_every_watcher() {
    let faults = Faults::default();
    let (one, other, ()) = tokio::join!(faults.watch(drop), faults.watch(drop), async {
        faults.raise("journal", "it is gone", true);
    });
    assert_eq!(
        (&*one.0, &*other.0),
        ("journal: it is gone", "journal: it is gone")
    );
}

#[test]
fn a_panic_of_a_non_vital_thread_is_recorded_as_non_fatal() {
    let faults = Faults::default();
    faults.panicked("spans", "no");
    let missing = faults.missing();
    assert_eq!(
        (missing[0].part.as_str(), missing[0].fatal),
        ("spans", false)
    );
}

#[test]
fn a_panic_of_a_request_is_counted_and_is_not_a_fault() {
    let faults = Faults::default();
    faults.panicked("main", "no");
    assert_eq!((faults.panics(), faults.missing()), (1, Vec::new()));
}

#[tokio::test]
async fn a_vital_task_that_panics_or_ends_is_a_fatal_fault_but_an_aborted_one_is_not() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let faults = Faults::default();
            let vital = |name, work: futures_util::future::BoxFuture<'static, ()>| {
                tokio::task::spawn_local(faults.clone().vital(name, work))
            };
            let aborted = vital("aborted", Box::pin(std::future::pending()));
            tokio::task::yield_now().await;
            aborted.abort();
            let _aborted = aborted.await;
            assert_eq!(faults.missing(), []);
            let _ended = vital("ended", Box::pin(std::future::ready(()))).await;
            let _panicked = vital("panicked", Box::pin(async { panic!("no") })).await;
            let missing = faults.missing();
            let named = |one: &Fault| (one.part.clone(), one.fatal);
            let named: Vec<_> = missing.iter().map(named).collect();
            let wanted = [("ended".to_owned(), true), ("panicked".to_owned(), true)];
            assert_eq!(named, wanted);
        })
        .await;
}

#[tokio::test]
async fn a_panic_of_the_serving_task_is_returned_as_a_fault() {
    let faults = Faults::default();
    let serving = async {
        assert_eq!(faults.panics(), 1, "it panics");
        Ok::<(), Broken>(())
    };
    let served = faults.around(drop, serving, std::future::ready(())).await;
    assert!(served.unwrap_err().0.contains("panicked"));
}

#[test]
fn fault_texts_are_bounded_in_length_and_number() {
    let faults = Faults::default();
    for _ in 0..1000 {
        faults.panicked("spans", &"x".repeat(100_000));
    }
    assert_eq!(faults.panics(), 1000);
    let seen = faults.seen();
    let bytes: usize = seen.unlogged.iter().map(String::len).sum();
    assert!(seen.faults.len() <= MAX_KEPT && bytes <= MAX_KEPT * MAX_TEXT_CHARS * 4);
}
