//! Loads a release beside the one that serves, and has it take over.
//!
//! For as long as both are there the new one may use the memory the old one has not promised, and
//! at least what it needs to take over: limits are rarely used up, and it is a matter of seconds.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::release::{Release, ReleaseFunction, ReleasePackage};
use fnlocal_core::{FunctionLimits, NodeLimits};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::ReleaseLoadError;
use super::needed::Needed;
use super::serving::Serving;
use super::state::NodeState;
use super::{NodeOptions, WantedRelease, images};
use crate::describe::ReleaseDescriber;
use crate::limits::{free_memory_mib, gateway_options, parallel_starts, release_limits};
use crate::session::{NodeFactory, Stop};
use crate::workload::release::ReleaseWorkload;
use fnlocal_driver::{Driver, DriverGroup};
use fnlocal_engine::connect::Engine;
use fnlocal_engine::identity::random_hex;
use fnlocal_engine::labels::Owner;
use fnlocal_gateway::Gateway;
use fnlocal_gateway::GatewayOptions;
use fnlocal_gateway::TrustedProxies;
use fnlocal_project::{Environment, ShellVariables};
use fnlocal_runtime::open::Opener;

/// How long instances may take to be ready for the requests of the release before.
const PREWARM: Duration = Duration::from_secs(20);

/// Loads releases.
pub(super) struct Loader {
    engine: Engine,
    owner: Owner,
    state: Rc<NodeState>,
    stop: Stop,
    /// The memory that may be promised to instances, in MiB.
    memory_mib: u32,
    patience: Duration,
    needed: Rc<Needed>,
    loads: Cell<u32>,
}

/// Instances of each function that are in use.
type Busy = BTreeMap<String, u32>;

impl Loader {
    pub fn new(engine: Engine, options: &NodeOptions, state: Rc<NodeState>, stop: Stop) -> Self {
        let owner = Owner {
            // Leftovers of an earlier run of this very node are removed, and of no other.
            project: format!("{}-{}", options.project, options.name),
            folder: String::new(),
            run: random_hex(4),
            node: options.name.clone(),
        };
        Self {
            engine,
            owner,
            state,
            stop,
            memory_mib: free_memory_mib(),
            patience: options.ending.drain,
            needed: Rc::new(Needed::new(options.own_images.clone())),
            loads: Cell::new(0),
        }
    }

    pub fn state(&self) -> &Rc<NodeState> {
        &self.state
    }

    /// Loads a release, all of it, and lets it take over. If that fails nothing has changed.
    pub async fn load(&self, wanted: &WantedRelease) -> Result<(), ReleaseLoadError> {
        let images = self.images(wanted).await?;
        let base = images.first().cloned().unwrap_or_default();
        let variables = wanted.variables.clone();
        let describer = ReleaseDescriber::new(
            wanted.release.clone(),
            Environment::default(),
            move |name| variables.get(name).cloned(),
            self.state.logs.clone(),
        );
        let workload = ReleaseWorkload::new(describer, images, |package| {
            shared(package, &wanted.variables)
        })?;
        let old = self.state.serving();
        let busy = old.as_ref().map_or_else(Busy::new, |old| busy(&old.driver));
        let changed = Rc::new(Notify::new());
        let started = self.start(wanted, &workload, base, &busy, &changed);
        let (serving, group) = started.await?;
        // Given up halfway it ends.
        let loading = serving.leave.clone().drop_guard();
        workload.load(&group);
        let loaded = workload.loaded(&group).await;
        loaded.map_err(ReleaseLoadError::Unserved)?;
        self.prewarm(&serving, &busy, &changed).await;
        loading.disarm();
        self.take_over(serving, wanted);
        Ok(())
    }

    async fn images(&self, wanted: &WantedRelease) -> Result<Vec<String>, ReleaseLoadError> {
        self.needed.want(digests(&wanted.release));
        let _alone = self.needed.alone().await;
        let mut ids = Vec::new();
        for package in &wanted.release.packages {
            ids.push(images::ensure(&self.engine.docker, wanted, package).await?);
        }
        if ids.is_empty() {
            return Err(ReleaseLoadError::Empty);
        }
        Ok(ids)
    }

    /// A driver and a gateway for a release, without code yet. `base` is an image whose containers
    /// can sleep.
    async fn start(
        &self,
        wanted: &WantedRelease,
        workload: &ReleaseWorkload,
        base: String,
        busy: &Busy,
        changed: &Rc<Notify>,
    ) -> Result<(Rc<Serving>, DriverGroup), ReleaseLoadError> {
        let limits = self.limits(&wanted.release);
        let meanwhile = NodeLimits {
            memory_mib: self.meanwhile(&wanted.release, &limits, busy),
            ..limits.clone()
        };
        let opener = Opener::docker(self.engine.clone(), self.owner.clone(), base);
        let logs = self.state.logs.clone();
        let factory = NodeFactory::new(opener, workload.describe(), meanwhile, logs);
        let number = self.loads.replace(self.loads.get() + 1);
        let name = format!("{}-{number}", self.owner.node);
        let session = factory.open(&name).await?;
        let driver = Rc::clone(&session.driver);
        let options = GatewayOptions {
            node: self.owner.node.clone(),
            trusted_proxies: TrustedProxies::Balancer,
            // Behind the balancer is everybody.
            ..gateway_options(workload.limits(), false)
        };
        let peers = Rc::clone(&self.state.company);
        // The node's ports answer the platform's own paths.
        let platform = axum::Router::new();
        // No client has the token of the queue's paths: they are not there.
        let queue = Some(Rc::clone(&self.state.triggers));
        let gateway = Gateway::new(
            Rc::clone(&driver),
            options,
            platform,
            Some(peers),
            queue,
            ("", None),
        );
        let leave = CancellationToken::new();
        let group = DriverGroup::ringing(Rc::clone(self.state.triggers.feed().bell()));
        group.add(Rc::clone(&driver));
        let serving = Serving::new(&wanted.tag, driver, gateway, limits, leave);
        self.follow_instances(&serving, changed);
        let now = self.stop.now.clone();
        let life = Rc::clone(&serving).live(session, self.patience, now);
        self.state.keep(life);
        Ok((serving, group))
    }

    /// The routing hears at once when instances are ready or gone.
    fn follow_instances(&self, serving: &Rc<Serving>, changed: &Rc<Notify>) {
        let (state, own) = (Rc::downgrade(&self.state), Rc::downgrade(serving));
        let changed = Rc::clone(changed);
        serving.driver.on_instances(move |driver| {
            changed.notify_one();
            let (Some(state), Some(own)) = (state.upgrade(), own.upgrade()) else {
                return;
            };
            let serves = state.serving();
            if serves.is_some_and(|serves| Rc::ptr_eq(&serves, &own)) {
                state.company.ready(&driver.slots());
            }
        });
    }

    /// Memory a release may promise while the one before is there.
    fn meanwhile(&self, release: &Release, limits: &NodeLimits, busy: &Busy) -> u32 {
        let old = self.state.serving();
        let promised = old.map_or(0, |old| old.driver.load().memory_promised_mib);
        let promised = u32::try_from(promised).unwrap_or(u32::MAX);
        let functions = release.functions();
        let memory = |function: &ReleaseFunction| function.limits.memory_mib;
        let largest = functions
            .values()
            .map(|(_, function)| memory(function))
            .max();
        let largest = largest.unwrap_or(FunctionLimits::default().memory_mib);
        let warm = busy.iter().filter_map(|(name, count)| {
            let (_, function) = functions.get(name.as_str())?;
            Some(count * memory(function))
        });
        let packages = u32::try_from(release.packages.len()).unwrap_or(u32::MAX);
        let needed = warm.sum::<u32>() + packages.saturating_mul(largest);
        let left = limits.memory_mib.saturating_sub(promised);
        left.max(needed)
    }

    fn limits(&self, release: &Release) -> NodeLimits {
        let machine = NodeLimits {
            memory_mib: self.memory_mib,
            parallel_starts: parallel_starts(),
            ..NodeLimits::default()
        };
        release_limits(release, machine)
    }

    /// Has as many instances ready as the release before uses.
    async fn prewarm(&self, serving: &Serving, busy: &Busy, changed: &Notify) {
        let wanted = |name: &str| busy.get(name).copied().unwrap_or(0);
        serving.expect(wanted);
        let short = || {
            let functions = serving.driver.with_functions(|functions| functions.all());
            let slots: BTreeMap<_, _> = serving.driver.slots().into_iter().collect();
            functions.iter().any(|function| {
                let limits = &function.settings.limits;
                let wanted = wanted(&function.name).min(limits.max_instances);
                let there = slots.get(&function.name).copied().unwrap_or(0);
                there < wanted * limits.concurrency
            })
        };
        let ready = async {
            while short() {
                changed.notified().await;
            }
        };
        if timeout(PREWARM, ready).await.is_err() {
            let text = format!(
                "{} takes over with fewer instances than before",
                serving.tag
            );
            self.state.logs.warn(text);
        }
    }

    /// Requests go to the new release; the old one finishes what it has.
    fn take_over(&self, new: Rc<Serving>, wanted: &WantedRelease) {
        self.needed.serve(&wanted.tag, digests(&wanted.release));
        let variables = wanted.variables.clone();
        self.state
            .triggers
            .set_variables(variables, ShellVariables::all());
        let Some(old) = self.state.switch(Rc::clone(&new)) else {
            return new.alone();
        };
        old.leave.cancel();
        let (docker, logs) = (self.engine.docker.clone(), self.state.logs.clone());
        let (repository, needed) = (wanted.repository.clone(), Rc::clone(&self.needed));
        self.state.keep(async move {
            old.gone.cancelled().await;
            new.alone();
            match images::remove_others(&docker, &repository, &needed).await {
                Ok(0) => {}
                Ok(count) => logs.note(format!("removed {count} images no release needs")),
                Err(why) => logs.warn(format!("old images could not be removed: {why}")),
            }
            Ok(())
        });
    }
}

fn digests(release: &Release) -> Vec<String> {
    let packages = release.packages.iter();
    packages.map(|package| package.digest.clone()).collect()
}

/// Returns the declared variables of a package's functions: one process imports all of them, and
/// code at the top of a module reads variables too.
fn shared(
    package: &ReleasePackage,
    variables: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let declared = package.functions.iter().flat_map(|function| &function.env);
    let known = declared.filter_map(|name| variables.get_key_value(name));
    known
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Instances of each function that run, the paused ones left out.
fn busy(driver: &Driver) -> Busy {
    let view = driver.view();
    let functions = view.functions.iter().filter_map(|one| {
        let instances = &one.instances;
        let running = instances.idle + instances.busy + instances.resuming;
        let name = driver.function(one.function)?.name.to_string();
        Some((name, running))
    });
    functions.collect()
}
