//! The settings of one function, after file and code are merged.
//!
//! The place nearest to the function wins, and the file wins over code, so that an operator can
//! change a deployment without touching code:
//!
//! 1. `[functions.NAME]`
//! 2. the function's own `config` in code
//! 3. `[defaults]`
//! 4. `[async]`, for how invocations are delivered, and `[limits]`, for `queue`, `queue_timeout` and the sizes of bodies
//! 5. what the profile's platform has when nothing is said
//!
//! Last, the profile's platform imposes what it lets nobody choose.
//!
//! Only `env` adds up: a variable named at any of these places is needed.

use std::time::Duration;

use super::config::{BodyMode, Config, FunctionConfig, OnConfig};
use fnlocal_core::Profile;
use fnlocal_core::limits::{FunctionLimits, LimitError};
use fnlocal_core::trigger::{FunctionTriggers, ScheduleSpec, Signature};
use serde::Serialize;

/// The maximum size of a request's body in bytes, unless a function says otherwise.
pub const DEFAULT_BODY_LIMIT: u64 = 6 << 20;

/// The settings of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionSettings {
    /// Bounds, checked.
    pub limits: FunctionLimits,
    /// The maximum size of a request's body in bytes.
    pub body_limit: u64,
    /// The maximum size of a response's body in bytes; `None` for no bound.
    pub response_limit: Option<u64>,
    /// The form in which the handler gets a body.
    pub body: BodyMode,
    /// Variables it needs, sorted.
    pub env: Vec<String>,
    /// When to call it by itself.
    pub schedule: Option<ScheduleSpec>,
    /// Its other callers.
    pub triggers: FunctionTriggers,
    /// The form of its handler, as configured or else as its code has it.
    pub signature: Signature,
}

impl Default for FunctionSettings {
    fn default() -> Self {
        Self {
            limits: FunctionLimits::default(),
            body_limit: DEFAULT_BODY_LIMIT,
            response_limit: None,
            body: BodyMode::default(),
            env: Vec::new(),
            schedule: None,
            triggers: FunctionTriggers::default(),
            signature: Signature::default(),
        }
    }
}

impl FunctionSettings {
    /// Returns the settings of a function under a profile that says nothing.
    fn under(profile: Profile) -> Self {
        let payload = profile.payload();
        Self {
            limits: profile.function(),
            body_limit: payload.request.unwrap_or(u64::MAX),
            response_limit: payload.response,
            ..Self::default()
        }
    }

    /// Applies the settings that the profile's platform fixes.
    fn impose(&mut self, profile: Profile) {
        self.limits = profile.impose(self.limits.clone());
        if profile != Profile::Fnlocal {
            let payload = profile.payload();
            let request = payload.request.unwrap_or(u64::MAX);
            self.body_limit = self.body_limit.min(request);
            let response = self.response_limit.into_iter().chain(payload.response);
            self.response_limit = response.min();
        }
    }

    /// Lays `config` over what is there, without checking.
    fn lay(&mut self, config: &FunctionConfig) {
        lay_limits(&mut self.limits, config);
        set(&mut self.body_limit, config.body_limit.map(|size| size.0));
        if let Some(size) = config.response_limit {
            self.response_limit = Some(size.0);
        }
        set(&mut self.body, config.body);
        if let Some(schedule) = &config.schedule {
            self.schedule = Some(schedule.clone());
        }
        if let Some(delivery) = &config.delivery {
            delivery.lay(&mut self.triggers.delivery);
        }
        if let Some(on) = &config.on {
            self.triggers.sources = on.iter().map(OnConfig::spec).collect();
        }
        if config.signature.is_some() {
            self.triggers.signature = config.signature;
        }
        set(&mut self.triggers.lambda_event, config.lambda_event);
        self.env.extend(config.env.iter().flatten().cloned());
        self.env.sort();
        self.env.dedup();
    }
}

/// Merges tables, the weakest first, over the built-in values.
///
/// A person who writes `stop_after = "5s"` has not asked for a pause after ten: a built-in value
/// that contradicts a given one gives way. `found` is the form that the handler's code has.
pub fn merge(
    layers: &[&FunctionConfig],
    profile: Profile,
    found: Option<Signature>,
) -> Result<FunctionSettings, LimitError> {
    let mut merged = FunctionSettings::under(profile);
    for layer in layers {
        merged.lay(layer);
    }
    let decided = found.filter(|found| found.takes_all());
    merged.triggers.signature = merged.triggers.signature.or(decided);
    merged.signature = merged.triggers.signature.or(found).unwrap_or_default();
    if merged.signature == Signature::Fetch && layers.iter().all(|layer| layer.body.is_none()) {
        // A web-standard request has its body as a stream.
        merged.body = BodyMode::Stream;
    }
    let limits = &mut merged.limits;
    if layers.iter().all(|layer| layer.pause_after.is_none()) {
        limits.pause_after = limits.pause_after.min(limits.stop_after);
    }
    if layers.iter().all(|layer| layer.stop_after.is_none()) {
        limits.stop_after = limits.stop_after.max(limits.pause_after);
    }
    if layers.iter().all(|layer| layer.max_instances.is_none()) {
        limits.max_instances = limits.max_instances.max(limits.min_instances);
    }
    let said = layers.iter().any(|layer| layer.body_limit.is_some());
    if merged.body == BodyMode::Stream && !said {
        // The usual limit is for what is held in memory.
        merged.body_limit = u64::MAX;
    }
    merged.impose(profile);
    merged.limits = merged.limits.validate()?;
    Ok(merged)
}

/// The other key of a contradiction.
pub(super) fn counterpart(key: &str) -> &'static str {
    match key {
        "min_instances" => "max_instances",
        "stop_after" => "pause_after",
        _ => "",
    }
}

fn lay_limits(limits: &mut FunctionLimits, config: &FunctionConfig) {
    set(&mut limits.timeout, config.timeout.map(|span| span.0));
    set(&mut limits.memory_mib, config.memory.map(|memory| memory.0));
    set(&mut limits.concurrency, config.concurrency);
    set(&mut limits.min_instances, config.min_instances);
    set(&mut limits.max_instances, config.max_instances);
    set(&mut limits.rps, config.rps.map(|rate| rate.0));
    if config.burst.is_some() {
        limits.burst = config.burst;
    }
    set(&mut limits.over_rate, config.over_rate);
    if config.start_rate.is_some() {
        limits.start_rate = config.start_rate;
    }
    set(&mut limits.queue, config.queue);
    set(
        &mut limits.queue_timeout,
        config.queue_timeout.map(|span| span.0),
    );
    set(
        &mut limits.pause_after,
        config.pause_after.map(|span| span.0),
    );
    set(&mut limits.stop_after, config.stop_after.map(|span| span.0));
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Checks what one table says, leaving out what it leaves to others.
pub(super) fn check_alone(config: &FunctionConfig) -> Result<(), LimitError> {
    let mut limits = FunctionLimits {
        max_instances: 1000,
        min_instances: 0,
        pause_after: Duration::ZERO,
        stop_after: Duration::MAX,
        ..FunctionLimits::default()
    };
    lay_limits(&mut limits, config);
    limits.validate().map(|_| ())
}

/// Returns the settings that `[limits]` and `[async]` give to every function.
pub(super) fn of_project(config: &Config) -> FunctionConfig {
    let limits = &config.limits;
    FunctionConfig {
        delivery: Some(config.delivery.clone()),
        queue: limits.queue,
        queue_timeout: limits.queue_timeout,
        body_limit: limits.body_limit,
        response_limit: limits.response_limit,
        ..FunctionConfig::default()
    }
}
