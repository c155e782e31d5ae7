//! Arguments of a fleet, which `fnlocal dev` and `fnlocal up` take.

use fnlocal_emulator::fleet::{FleetOptions, Size};
use fnlocal_emulator::serve::{SingleNodeOptions, Topology};
use fnlocal_sim::scenario::live_machine_boot;

/// Several nodes in one process, as in the cloud.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fleet")]
pub struct FleetArgs {
    /// Run so many nodes, each with its own memory and instances, behind a load balancer.
    #[arg(long, value_name = "N", conflicts_with = "scale", value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: Option<u32>,
    /// Run as many nodes as an auto-scaling group wants: between MIN and MAX, or as in
    /// [env.NAME] of fnlocal.toml. Nodes boot as late as machines do.
    #[arg(long, value_name = "MIN..MAX", num_args = 0..=1)]
    pub scale: Option<Option<FleetRange>>,
    /// Let nodes boot, metrics be taken and alarms go off so many times as fast.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = time_scale)]
    pub time_scale: f64,
}

/// Nodes at the least and at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetRange {
    /// At the least.
    pub min: u32,
    /// At the most.
    pub max: u32,
}

impl std::str::FromStr for FleetRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write the least and the most, as in 2..10";
        let (min, max) = text.split_once("..").ok_or(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong);
        Ok(Self {
            min: number(min)?,
            max: number(max)?,
        })
    }
}

/// How many times as fast as usual time runs.
pub fn time_scale(text: &str) -> Result<f64, &'static str> {
    let times: f64 = text.parse().map_err(|_| "it is not a number")?;
    if (0.01..=1000.0).contains(&times) {
        Ok(times)
    } else {
        Err("it must be between 0.01 and 1000")
    }
}

impl FleetArgs {
    /// The nodes the emulator is to serve on: `alone` if no fleet was asked for.
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
