//! Starting one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use bollard::container::{AttachContainerResults, LogOutput};
use fnlocal_core::InstanceId;
use fnlocal_engine::EngineError;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{oneshot, watch};
use tracing::{Instrument, debug, trace};

use super::state::{LiveContainer, Phase, PrecreatedContainer};
use super::{Inner, container, finish, stock};
use crate::AS_INSTANCE;
use crate::Address;
use crate::PackageRun;
use crate::RuntimeError;
use crate::StartSpec;
use crate::Started;
use crate::lines::{InstanceOutput, StderrTail};
use crate::ready;
use fnlocal_engine::error::refused;

/// Starts an instance in a task of its own: one whose caller goes away is not left behind.
pub(crate) async fn start(inner: Arc<Inner>, spec: StartSpec) -> Result<Started, RuntimeError> {
    if inner.closing() {
        return Err(RuntimeError::not_up("fnlocal is ending"));
    }
    let (sender, receiver) = oneshot::channel();
    let starting = Arc::clone(&inner);
    let task = async move {
        let instance = spec.instance;
        let result = start_here(&starting, spec).await;
        if let Err(Ok(_)) = sender.send(result) {
            finish::discard(&starting, instance).await;
        }
    };
    inner.tasks.spawn(task.in_current_span());
    let ending = |_| RuntimeError::not_up("fnlocal is ending");
    receiver.await.map_err(ending)?
}

/// Starts an instance, from stock where there is some.
async fn start_here(inner: &Arc<Inner>, spec: StartSpec) -> Result<Started, RuntimeError> {
    let begun = Instant::now();
    let _under_way = BootCount::new(&inner.starting);
    if let Some(ahead) = inner.state.take_ahead(&spec.package, spec.memory_mib) {
        debug!(container = ahead.container, "takes a container made ahead");
        match boot(inner, &spec, ahead, begun).await {
            // A prepared container may have died since, with its sandbox: once more from nothing.
            Err(
                RuntimeError::Refused { .. } | RuntimeError::Engine(EngineError::Refused { .. }),
            ) => {}
            other => return other,
        }
    }
    loop {
        let started = match stock::create(inner, &spec.package, spec.memory_mib).await {
            Ok(fresh) => {
                debug!(container = fresh.container, "made a container");
                boot(inner, &spec, fresh, begun).await
            }
            Err(error) => Err(error),
        };
        match started {
            Err(RuntimeError::Engine(EngineError::Refused { why, .. }))
                if does_without(inner, &why) => {}
            other => return other,
        }
    }
}

/// Returns whether the engine refused something optional, which is left out from now on.
fn does_without(inner: &Inner, why: &str) -> bool {
    let missing =
        |what: &AtomicBool, word: &str| why.contains(word) && what.swap(false, Ordering::Relaxed);
    missing(&inner.init, "docker-init") || missing(&inner.parks, "\"sh\"")
}

async fn boot(
    inner: &Arc<Inner>,
    spec: &StartSpec,
    ahead: PrecreatedContainer,
    begun: Instant,
) -> Result<Started, RuntimeError> {
    let tail = StderrTail::new(spec.package.language);
    let (ended, end) = watch::channel(None);
    let (container, address, token) = (ahead.container, ahead.address, ahead.token);
    let (parked, mut attached) = (ahead.parked, ahead.output);
    let output = InstanceOutput::new(spec.instance, inner.notices.clone(), tail.clone());
    let live = LiveContainer {
        container: container.clone(),
        sandbox: ahead.sandbox.id,
        folder: ahead.folder,
        address: address.clone(),
        memory_mib: spec.memory_mib,
        phase: Phase::Booting,
        oom: false,
        tail: tail.clone(),
        pump: None,
        ended,
    };
    inner.state.insert(spec.instance, live);
    let introduction = container::introduction(parked, &token);
    let gone = go(
        inner,
        &container,
        parked,
        &introduction,
        &mut attached.input,
    )
    .await;
    let pumping = tokio::spawn(pump(attached, output));
    inner
        .state
        .with(spec.instance, |live| live.pump = Some(pumping));
    let result = match gone {
        Ok(()) => answer(inner, spec.instance, &address, &token, end, begun).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(started) => Ok(started),
        Err(error) => {
            finish::discard(inner, spec.instance).await;
            Err(explained(error, &tail.text(), &spec.package))
        }
    }
}

/// Has the wrapper start in a container, and tells it what nobody else may know.
async fn go(
    inner: &Inner,
    container: &str,
    parked: bool,
    introduction: &str,
    input: &mut (impl AsyncWrite + Unpin),
) -> Result<(), RuntimeError> {
    if !parked {
        let docker = &inner.engine.docker;
        let started = docker.start_container(container, None).await;
        started.map_err(refused("starting a container"))?;
    }
    trace!(container, parked, "started");
    let told = async {
        input.write_all(introduction.as_bytes()).await?;
        input.flush().await
    };
    told.await.map_err(|error| RuntimeError::Refused {
        what: "starting the wrapper in a container",
        why: error.to_string(),
    })
}

/// Waits for a started container's wrapper.
async fn answer(
    inner: &Inner,
    instance: InstanceId,
    address: &Address,
    token: &str,
    mut end: watch::Receiver<Option<String>>,
    begun: Instant,
) -> Result<Started, RuntimeError> {
    let create = begun.elapsed();
    tokio::select! {
        () = ready::answers(address, token) => {}
        reason = ended(&mut end) => return Err(RuntimeError::not_up(reason)),
        () = tokio::time::sleep(ready::BOOT_TIMEOUT) => {
            return Err(RuntimeError::not_up(format!("no answer within {:?}", ready::BOOT_TIMEOUT)));
        }
    }
    // The instance may have died right after answering, or been stopped meanwhile.
    let running = inner.state.with(instance, |live| {
        let ended = live.ended.borrow().clone();
        if ended.is_none() && live.phase == Phase::Booting {
            live.phase = Phase::Running;
        }
        let is_running = live.phase == Phase::Running;
        is_running.then_some(live.memory_mib).ok_or(ended)
    });
    match running {
        Some(Ok(memory_mib)) => Ok(Started {
            max_memory_bytes: u64::from(memory_mib) << 20,
            address: address.clone(),
            token: token.to_owned(),
            code_root: container::CODE.to_owned(),
            create,
            boot: begun.elapsed().saturating_sub(create),
        }),
        Some(Err(Some(reason))) => Err(RuntimeError::not_up(reason)),
        Some(Err(None)) | None => Err(RuntimeError::not_up("it was stopped")),
    }
}

/// Returns why the instance ended, when it has.
pub(crate) async fn ended(end: &mut watch::Receiver<Option<String>>) -> String {
    match end.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => "it was stopped".to_owned(),
    }
}

async fn pump(attached: AttachContainerResults, mut output: InstanceOutput) {
    // Held, not dropped: its end is the instance's.
    let _input = attached.input;
    let mut stream = attached.output;
    while let Some(Ok(piece)) = stream.next().await {
        let stderr = matches!(piece, LogOutput::StdErr { .. });
        output.push(stderr, piece.as_ref()).await;
    }
    output.finish().await;
}

/// Adds what an instance that did not come up wrote.
fn explained(error: RuntimeError, wrote: &str, package: &PackageRun) -> RuntimeError {
    let unknown = package.language.unknown_argument(AS_INSTANCE);
    match error {
        // An older wrapper does not know it.
        RuntimeError::NotUp { .. } if wrote.contains(&unknown) => RuntimeError::OldImage {
            image: package.image.clone(),
        },
        RuntimeError::NotUp { why, .. } => RuntimeError::NotUp {
            why,
            wrote: wrote.to_owned(),
        },
        error => error,
    }
}

struct BootCount<'a>(&'a AtomicUsize);

impl<'a> BootCount<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for BootCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fnlocal_api::UserError;

    use super::*;

    #[test]
    fn an_image_with_an_outdated_wrapper_is_reported_with_a_hint_to_rebuild() {
        let wrote = "Unknown option '--instance'. To specify a positional argument…\n\nusage: …";
        let ended = || RuntimeError::not_up("exit code 2");
        let package = PackageRun {
            name: "shop".to_owned(),
            language: fnlocal_language::usual(),
            image: "shop:1".to_owned(),
            code_root: None,
            env: BTreeMap::new(),
        };
        let error = explained(ended(), wrote, &package);
        assert!(error.to_string().contains("shop:1"), "{error}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("fnlocal build"))
        );
        let error = explained(ended(), "boom", &package);
        assert!(error.to_string().ends_with("exit code 2; it wrote:\nboom"));
        assert!(error.without_output().ends_with("exit code 2"));
    }
}
