//! Ending instances: asked to, or found dead.

use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions};
use fnlocal_core::InstanceId;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::state::{LiveContainer, Phase};
use super::{Inner, boot};
use crate::End;
use crate::Notice;
use fnlocal_engine::reaper;

/// The maximum wait for the last lines of a dead instance, which tell why it ended. They come with
/// its end, unless whoever takes lines is behind.
const LAST_LINES: Duration = Duration::from_secs(2);
/// For the engine's word about memory, which may come after its word about the end.
const OOM_NEWS: Duration = Duration::from_millis(100);
/// A kill by the kernel looks like this from outside.
const KILLED: i64 = 137;

/// Stops an instance: SIGTERM, grace, then SIGKILL; at once without grace or when paused.
pub(crate) async fn stop(inner: Arc<Inner>, instance: InstanceId, grace: Duration) {
    let begun = inner.state.with(instance, |live| {
        live.phase = Phase::Stopping;
        (live.container.clone(), live.ended.subscribe())
    });
    let Some((container, mut end)) = begun else {
        return;
    };
    if !grace.is_zero() {
        let options = KillContainerOptions {
            signal: "SIGTERM".to_owned(),
        };
        // A paused container refuses, and goes the hard way.
        if inner
            .engine
            .docker
            .kill_container(&container, Some(options))
            .await
            .is_ok()
        {
            let _ = timeout(grace, boot::ended(&mut end)).await;
        }
    }
    discard(&inner, instance).await;
}

/// Removes whatever there is of an instance.
pub(crate) async fn discard(inner: &Inner, instance: InstanceId) {
    if let Some(live) = inner.state.remove(instance) {
        clean(inner, live).await;
    }
}

async fn clean(inner: &Inner, live: LiveContainer) {
    live.address.close();
    let docker = &inner.engine.docker;
    tokio::join!(
        reaper::remove(docker, &live.container),
        reaper::remove(docker, &live.sandbox)
    );
    let _ = std::fs::remove_dir_all(&live.folder);
    drain(live.pump).await;
}

/// Waits until all output of an instance that ended was handed on.
async fn drain(pump: Option<JoinHandle<()>>) {
    if let Some(mut pump) = pump
        && timeout(LAST_LINES, &mut pump).await.is_err()
    {
        pump.abort();
    }
}

/// Acts on a container's end, told by the engine, or found out once an engine that was gone
/// answers again.
pub(crate) async fn died(
    inner: Arc<Inner>,
    instance: InstanceId,
    code: Option<i64>,
    engine_was_gone: bool,
) {
    // With what of its output was not read yet, and before its container is removed.
    let pump = inner.state.with(instance, |live| live.pump.take());
    drain(pump.flatten()).await;
    let mut end = end(&inner, instance, code).await;
    end.outside = engine_was_gone;
    let phase = inner.state.with(instance, |live| {
        live.end(end.reason.clone());
        live.phase
    });
    // Otherwise whoever starts or stops it cleans up.
    if phase != Some(Phase::Running) {
        return;
    }
    let Some(live) = inner.state.remove(instance) else {
        return;
    };
    clean(&inner, live).await;
    let _ = inner.notices.send(Notice::Exit { instance, end }).await;
}

async fn end(inner: &Inner, instance: InstanceId, code: Option<i64>) -> End {
    let Some(code) = code else {
        let reason = "its container was removed by somebody else".to_owned();
        return End {
            reason,
            outside: false,
        };
    };
    if code == KILLED && !oom(inner, instance).await {
        sleep(OOM_NEWS).await;
    }
    let oom = oom(inner, instance).await;
    let limit = inner
        .state
        .with(instance, |live| {
            (oom || (code != 0 && live.tail.tells_heap_exhausted())).then_some(live.memory_mib)
        })
        .flatten();
    match limit {
        Some(mib) => End {
            reason: format!("memory limit exceeded ({mib} MB)"),
            outside: false,
        },
        None => End {
            reason: crate::exit_text(code),
            outside: false,
        },
    }
}

async fn oom(inner: &Inner, instance: InstanceId) -> bool {
    let Some((container, told)) = inner
        .state
        .with(instance, |live| (live.container.clone(), live.oom))
    else {
        return false;
    };
    told || inner
        .engine
        .docker
        .inspect_container(&container, None::<InspectContainerOptions>)
        .await
        .ok()
        .and_then(|found| found.state?.oom_killed)
        .unwrap_or_default()
}
