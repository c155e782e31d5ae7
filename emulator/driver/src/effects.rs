//! Carries out effects. An effect that takes time runs as a task of its own and ends in an event.

use std::rc::Rc;
use std::time::Duration;

use fnlocal_api::UserError;
use fnlocal_core::{Effect, Event, InstanceId, PackageId, Retry, StopReason};
use tracing::{Instrument, Span, debug, field, info, info_span};

use super::instance_client::EXIT_REASON_GRACE;
use super::{Dispatched, Driver, Instance, Outcome, Refused};
use fnlocal_logs::Record;
use fnlocal_runtime::End;
use fnlocal_runtime::StartSpec;

impl Driver {
    pub(super) fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Dispatch {
                request,
                instance,
                start,
            } => {
                let Some(instance) = self.instance(instance) else {
                    // Forgotten between its end and the core's hearing of it.
                    self.later(Event::RequestFailed {
                        request,
                        retry: Retry::Free,
                    });
                    return;
                };
                if let Some(place) = self.requests.borrow().get(&request) {
                    place.put(Outcome::Dispatched(Dispatched { instance, start }));
                }
            }
            Effect::Refuse {
                request,
                reason,
                retry_after,
            } => {
                let refused = Refused {
                    reason,
                    retry_after,
                };
                if let Some(place) = self.requests.borrow().get(&request) {
                    place.put(Outcome::Refused(refused));
                }
            }
            Effect::Start {
                instance,
                package,
                memory_mib,
            } => {
                let starting = Self::start(Rc::clone(self), instance, package, memory_mib);
                let package = field::Empty;
                self.spawn(starting.instrument(info_span!("start", %instance, package)));
            }
            Effect::Prime { instance, code } => {
                let priming = Self::prime(Rc::clone(self), instance, code);
                self.spawn(priming.instrument(info_span!("prime", %instance, %code)));
            }
            Effect::Assign {
                instance,
                function,
                code,
            } => {
                let assigning = Self::assign(Rc::clone(self), instance, function, code);
                let function = field::Empty;
                self.spawn(assigning.instrument(info_span!("assign", %instance, function, %code)));
            }
            Effect::Pause { instance } => self.spawn(Self::pause(Rc::clone(self), instance)),
            Effect::Resume { instance } => self.spawn(Self::resume(Rc::clone(self), instance)),
            Effect::Stop {
                instance,
                reason,
                grace,
            } => self.spawn(Self::stop(Rc::clone(self), instance, reason, grace)),
            Effect::Abandon { instance } => self.abandon(instance),
            Effect::Switched { function, code } => self.switched(function, code),
            Effect::Drained => {
                self.is_drained.set(true);
                self.drained.notify_one();
            }
        }
    }

    fn abandon(&self, instance: InstanceId) {
        let _ended = self.forget_instance(instance);
        self.logs.warn(format!(
            "{instance} was told to stop and nothing answered; something of it may remain until the \
             next start of fnlocal"
        ));
    }

    fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        // Every task ends in an event the core waits for, which is what joins it.
        tokio::task::spawn_local(task);
    }

    /// Tells the core something once the effects at hand are performed.
    fn later(self: &Rc<Self>, event: Event) {
        let driver = Rc::clone(self);
        self.spawn(async move { driver.handle(event) });
    }

    async fn start(self: Rc<Self>, id: InstanceId, package: PackageId, memory_mib: u32) {
        let instance = Rc::new(Instance::new(id, package));
        self.instances.borrow_mut().insert(id, Rc::clone(&instance));
        let run = self
            .packages
            .borrow()
            .get(&package)
            .map(|package| package.run.clone());
        let Some(run) = run else {
            self.forget_instance(id);
            self.handle(Event::StartFailed { instance: id });
            return;
        };
        Span::current().record("package", &*run.name);
        let spec = StartSpec {
            instance: id,
            package: run.clone(),
            memory_mib,
        };
        match self.runtime.start(spec).await {
            Ok(started) => {
                let (create_ms, boot_ms) = (millis(started.create), millis(started.boot));
                info!(create_ms, boot_ms, "booted");
                instance.set_started(started);
                if self.instance(id).is_none() {
                    // Asked to stop while it was starting.
                    self.runtime.stop(id, Duration::ZERO).await;
                    self.handle(Event::InstanceStopped { instance: id });
                    return;
                }
                self.spawn(Self::keep_reports(Rc::clone(&self), instance));
                self.start_failures.borrow_mut().remove(&package);
                self.handle(Event::InstanceBooted { instance: id });
                self.runtime.stock(run, memory_mib).await;
            }
            Err(error) => {
                // Its text may quote what the instance wrote.
                info!("did not start");
                let asked_to_stop = self.forget_instance(id).is_none();
                if asked_to_stop {
                    self.handle(Event::InstanceStopped { instance: id });
                    return;
                }
                self.logs.send(Record::StartFailed {
                    package: run.name.clone(),
                    error: error.to_string(),
                    hint: error.hint(),
                });
                self.start_failures
                    .borrow_mut()
                    .insert(package, error.without_output());
                self.handle(Event::StartFailed { instance: id });
            }
        }
    }

    async fn pause(self: Rc<Self>, id: InstanceId) {
        match self.runtime.pause(id).await {
            Ok(()) => self.handle(Event::Paused { instance: id }),
            Err(error) => self.lose(id, &error.to_string(), true).await,
        }
    }

    async fn resume(self: Rc<Self>, id: InstanceId) {
        match self.runtime.resume(id).await {
            Ok(()) => self.handle(Event::Resumed { instance: id }),
            Err(error) => self.lose(id, &error.to_string(), true).await,
        }
    }

    /// Ends an instance that is of no use any more, and says why. `outside` is true unless what it
    /// ran is to blame.
    pub(super) async fn lose(self: &Rc<Self>, id: InstanceId, reason: &str, outside: bool) {
        if self.instance(id).is_none() {
            return;
        }
        let end = End {
            reason: reason.to_owned(),
            outside,
        };
        if let Some(instance) = self.instance(id) {
            // Before its connections break, so that its requests know why.
            instance.set_end(end.clone());
        }
        self.runtime.stop(id, Duration::ZERO).await;
        self.exited(id, end);
    }

    async fn stop(self: Rc<Self>, id: InstanceId, reason: StopReason, grace: Duration) {
        debug!(instance = %id, ?reason, grace_ms = millis(grace), "is stopped");
        if reason == StopReason::Unanswered {
            let text = format!("{id} did not answer what it was asked for, and is stopped");
            self.logs.warn(text);
        }
        if reason == StopReason::Broken
            && let Some(instance) = self.instance(id)
        {
            // Most likely the instance has died, and its connection showed that before the
            // runtime did. A stop by the platform would hide the reason for its death.
            instance.end(EXIT_REASON_GRACE).await;
        }
        let Some(instance) = self.forget_instance(id) else {
            // The instance ended by itself, and the core hears, or has heard, of that.
            self.handle(Event::InstanceStopped { instance: id });
            return;
        };
        if instance.started().is_none() {
            // `start` finds it forgotten and ends it.
            return;
        }
        instance.set_end(End {
            reason: stopped(reason).to_owned(),
            // A broken connection or a missing answer is the function's own doing.
            outside: !matches!(reason, StopReason::Broken | StopReason::Unanswered),
        });
        self.runtime.stop(id, grace).await;
        self.handle(Event::InstanceStopped { instance: id });
    }
}

/// Returns whole milliseconds, for diagnosis.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Why an instance was stopped, for the requests that still ran in it.
fn stopped(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Timeout => "it was stopped because another request ran over its timeout",
        StopReason::Broken => "it was stopped because its connection broke",
        StopReason::Memory => "it was stopped to make room",
        StopReason::Drain => "fnlocal is shutting down",
        StopReason::Unanswered => "it was stopped because it did not answer the platform",
        StopReason::Idle | StopReason::OldCode | StopReason::Removed => "it was stopped",
    }
}
