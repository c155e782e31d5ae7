//! The settings of a fleet, from its options and fnlocal.toml.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fnlocal_core::NodeLimits;
use fnlocal_core::balancer::BalancerSettings;
use fnlocal_core::limits::LimitError;
use fnlocal_core::scaling::{GroupSettings, Launch, ScalingMetric, Scheduled, WarmPoolSettings};
use fnlocal_core::time::Instant;

use fnlocal_project::{EnvConfig, PrescaleConfig, PrescaleError, Project, ScaleOnConfig};

/// The maximum number of nodes: each has its own network, gateway and memory on this laptop.
pub const MAX_NODES: u32 = 50;
/// How far ahead scheduled actions are looked for: no fleet on a laptop runs longer.
const AHEAD: Duration = Duration::from_secs(31 * 24 * 3600);

/// The requested fleet.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// How many nodes.
    pub size: Size,
    /// How many times as fast as usual nodes boot, metrics are taken and alarms go off.
    pub time_scale: f64,
    /// Draws how long a machine takes to boot.
    pub boot_time: fn(Launch) -> Duration,
}

/// How many nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Always as many.
    Fixed(u32),
    /// As many as an auto-scaling group wants, within bounds: those of the environment in
    /// fnlocal.toml when none.
    Scaled(Option<(u32, u32)>),
}

/// The settings of a fleet.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    pub(super) fixed: u32,
    pub(super) group: Option<GroupSettings>,
    pub(super) balancer: BalancerSettings,
    pub(super) time_scale: f64,
    pub(super) boot_time: fn(Launch) -> Duration,
}

/// Why a fleet cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// Nothing says how many nodes.
    #[error("nothing says how many nodes `{0}` may have")]
    NoRange(String),
    /// The bounds make no sense.
    #[error("`{}` {}", .0.key, .0.what)]
    Limit(LimitError),
    /// A scheduled action makes no sense.
    #[error(transparent)]
    Schedule(#[from] PrescaleError),
    /// Too many for one machine.
    #[error("{0} nodes are more than one machine simulates")]
    TooMany(u32),
    /// Not one node came up.
    #[error("no node came up")]
    NoNode,
}

fnlocal_api::user_error!(FleetError: Config [Schedule] {
    Self::NoRange(env) => format!(
        "write `--scale 2..10`, or `nodes = {{ min = 2, max = 10 }}` in [env.{env}] of fnlocal.toml; \
         --env chooses another"
    );
    Self::Limit(_) => "write the smaller one first, as in `--scale 2..10`";
    Self::TooMany(_) => format!("use at most {MAX_NODES}, or `fnlocal simulate`, which has no maximum");
    Self::NoNode => "see the errors above", Failed;
});

impl FleetSettings {
    /// Returns the settings that `options` ask for, completed from the project's environment.
    ///
    /// # Errors
    /// [`FleetError`] when bounds are missing or make no sense.
    pub fn new(options: &FleetOptions, project: &Project) -> Result<Self, FleetError> {
        let (fixed, group) = match options.size {
            Size::Fixed(nodes) => (nodes, None),
            Size::Scaled(range) => (0, Some(group(range, project)?)),
        };
        let settings = Self {
            fixed,
            group,
            // As `promote` sets the target group up.
            balancer: BalancerSettings {
                check_interval: Duration::from_secs(10),
                healthy_after: 2,
                ..BalancerSettings::default()
            },
            time_scale: options.time_scale,
            boot_time: options.boot_time,
        };
        if settings.most() > MAX_NODES {
            return Err(FleetError::TooMany(settings.most()));
        }
        Ok(settings)
    }

    /// The maximum number of nodes.
    fn most(&self) -> u32 {
        self.group.as_ref().map_or(self.fixed, |group| group.max)
    }

    /// The limits of a node: each gets its part of this machine's memory, unless fnlocal.toml says
    /// what a node has.
    pub(crate) fn share(&self, limits: NodeLimits, project: &Project) -> NodeLimits {
        if project.config().limits.memory.is_some() {
            return limits;
        }
        NodeLimits {
            memory_mib: limits.memory_mib / self.most().max(1),
            ..limits
        }
    }
}

fn group(range: Option<(u32, u32)>, project: &Project) -> Result<GroupSettings, FleetError> {
    let name = &project.env_name;
    let none = EnvConfig::default();
    let env = project.config().env.get(name).unwrap_or(&none);
    let of_env = env.nodes.map(|nodes| (nodes.min, nodes.max));
    let (min, max) = range
        .or(of_env)
        .ok_or_else(|| FleetError::NoRange(name.clone()))?;
    let usual = GroupSettings::default();
    let pool = env.warm_pool.filter(|&size| size > 0);
    let settings = GroupSettings {
        min,
        max,
        metric: match env.scale_on {
            Some(ScaleOnConfig::RequestsPerNode(target)) => ScalingMetric::RequestsPerNode(target),
            Some(ScaleOnConfig::MemoryPercent(target)) => ScalingMetric::MemoryPercent(target),
            None => usual.metric,
        },
        warm_up: env.warm_up.map_or(usual.warm_up, |span| span.0),
        scheduled: scheduled(&env.prescale, SystemTime::now())?,
        warm_pool: pool.map(|size| WarmPoolSettings { size }),
        ..usual
    };
    settings.validate().map_err(FleetError::Limit)
}

/// When the actions happen, from a fleet's beginning at `begin`.
fn scheduled(
    actions: &[PrescaleConfig],
    begin: SystemTime,
) -> Result<Vec<Scheduled>, PrescaleError> {
    let since_epoch = begin.duration_since(UNIX_EPOCH).unwrap_or_default();
    let begin = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let mut all = Vec::new();
    for action in actions {
        let times = action.occurrences(begin, AHEAD)?;
        all.extend(times.into_iter().map(|after| Scheduled {
            at: Instant::START + after,
            min: Some(action.min),
            max: None,
        }));
    }
    Ok(all)
}
