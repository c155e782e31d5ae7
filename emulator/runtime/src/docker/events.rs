//! The engine's news: containers that ended, memory limits hit, the engine itself gone and back.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use tokio::time::sleep;

use super::{Inner, finish, stock};
use crate::Notice;
use fnlocal_engine::labels::{NODE, RUN, pair};
use fnlocal_engine::reaper;

/// First and longest wait before asking a silent engine again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// Follows the engine's events until the runtime ends.
pub(crate) async fn watch(inner: Arc<Inner>) {
    let mut since = None;
    loop {
        let mut stream = Box::pin(
            inner
                .engine
                .docker
                .events(Some(options(&inner, since.as_ref()))),
        );
        while let Some(Ok(event)) = stream.next().await {
            if let Some(nanos) = event.time_nano {
                since = Some(format!(
                    "{}.{:09}",
                    nanos / 1_000_000_000,
                    nanos % 1_000_000_000
                ));
            }
            act(&inner, &event);
        }
        drop(stream);
        told(&inner, false, "the Docker engine stopped answering").await;
        until_up(&inner).await;
        resync(&inner).await;
        told(&inner, true, "the Docker engine answers again").await;
        inner.refill.notify_one();
    }
}

fn options(inner: &Inner, since: Option<&String>) -> EventsOptions {
    let owner = &inner.options.owner;
    let filters = [
        ("type", vec!["container".to_owned()]),
        (
            "event",
            vec!["die".to_owned(), "oom".to_owned(), "destroy".to_owned()],
        ),
        (
            "label",
            vec![pair(RUN, &owner.run), pair(NODE, &owner.node)],
        ),
    ];
    EventsOptions {
        since: since.cloned(),
        until: None,
        filters: Some(
            filters
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        ),
    }
}

fn act(inner: &Arc<Inner>, event: &EventMessage) {
    let Some(actor) = &event.actor else { return };
    let Some(container) = actor.id.as_deref() else {
        return;
    };
    if event.action.as_deref() == Some("die")
        && let Some(dead) = inner.state.take_dead(container)
    {
        let inner = Arc::clone(inner);
        let tasks = Arc::clone(&inner);
        tasks
            .tasks
            .spawn(async move { stock::discard(&inner, dead).await });
        return;
    }
    let Some(instance) = inner.state.instance_of(container) else {
        if event.action.as_deref() != Some("oom") && inner.state.drop_sandbox(container) {
            let (inner, id) = (Arc::clone(inner), container.to_owned());
            inner.refill.notify_one();
            let docker = inner.engine.docker.clone();
            inner
                .tasks
                .spawn(async move { reaper::remove(&docker, &id).await });
        }
        return;
    };
    match event.action.as_deref() {
        Some("oom") => {
            inner.state.with(instance, |live| live.oom = true);
        }
        Some("die") => {
            let code = actor
                .attributes
                .as_ref()
                .and_then(|all| all.get("exitCode"))
                .and_then(|code| code.parse().ok());
            inner.tasks.spawn(finish::died(
                Arc::clone(inner),
                instance,
                code.or(Some(-1)),
                false,
            ));
        }
        _ => {}
    }
}

async fn told(inner: &Inner, up: bool, message: &str) {
    let _ = inner
        .notices
        .send(Notice::Engine {
            up,
            message: message.to_owned(),
        })
        .await;
}

async fn until_up(inner: &Inner) {
    let (mut wait, longest) = BACKOFF;
    while inner.engine.docker.ping().await.is_err() {
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

/// Finds out what ended while nobody listened.
async fn resync(inner: &Arc<Inner>) {
    let Ok(list) = reaper::list(&inner.engine.docker, inner.options.owner.filter()).await else {
        return;
    };
    let running = |id: &str| {
        list.iter().any(|found| {
            found.id.as_deref() == Some(id)
                && found
                    .state
                    .is_some_and(|state| matches!(state.as_ref(), "running" | "paused"))
        })
    };
    for container in inner.state.containers() {
        let Some(instance) = inner.state.instance_of(&container) else {
            continue;
        };
        if !running(&container) {
            let docker = &inner.engine.docker;
            let found = docker.inspect_container(&container, None).await.ok();
            let code = found.and_then(|found| found.state?.exit_code);
            inner
                .tasks
                .spawn(finish::died(Arc::clone(inner), instance, code, true));
        }
    }
    inner.state.drop_dead_sandboxes(&running);
}
