//! Arguments of a fleet, which `fnlocal dev` and `fnlocal up` take.

use fnlocal_emulator::fleet::{FleetOptions, Size};
use fnlocal_emulator::serve::{SingleNodeOptions, Topology};
use fnlocal_sim::scenario::live_machine_boot;

/// Several simulated nodes in one process.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fleet")]
pub struct FleetArgs {
    /// Run N nodes behind a load balancer, each with its own memory and instances.
    #[arg(long, value_name = "N", conflicts_with = "scale", value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: Option<u32>,
    /// Scale between MIN and MAX nodes as an AWS auto-scaling group does. Without a value, take
    /// both from [env.NAME] of fnlocal.toml. Nodes boot as slowly as EC2 machines.
    #[arg(long, value_name = "MIN..MAX", num_args = 0..=1)]
    pub scale: Option<Option<FleetRange>>,
    /// Speed up boots, metrics and alarms of the fleet by this factor.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = time_scale)]
    pub time_scale: f64,
}

/// The minimum and maximum number of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetRange {
    /// The minimum.
    pub min: u32,
    /// The maximum.
    pub max: u32,
}

impl std::str::FromStr for FleetRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write the minimum and the maximum, as in 2..10";
        let (min, max) = text.split_once("..").ok_or(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong);
        Ok(Self {
            min: number(min)?,
            max: number(max)?,
        })
    }
}

/// Parses the factor by which time runs faster.
pub fn time_scale(text: &str) -> Result<f64, &'static str> {
    let times: f64 = text.parse().map_err(|_| "the factor is not a number")?;
    if (0.01..=1000.0).contains(&times) {
        Ok(times)
    } else {
        Err("the factor must be between 0.01 and 1000")
    }
}

impl FleetArgs {
    /// Returns the nodes to serve on: `alone` if no fleet was asked for.
    pub fn topology(&self, alone: SingleNodeOptions) -> Topology {
        let size = match (self.nodes, self.scale) {
            (Some(nodes), _) => Size::Fixed(nodes),
            (None, Some(range)) => Size::Scaled(range.map(|range| (range.min, range.max))),
            (None, None) => return Topology::Single(alone),
        };
        Topology::Simulated(FleetOptions {
            size,
            time_scale: self.time_scale,
            boot_time: live_machine_boot,
        })
    }
}
