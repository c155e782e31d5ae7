//! The cost of an environment a month, estimated from list prices.
//!
//! An estimate, not an offer: it knows the parts that dominate, says what it assumes and from when
//! its prices are, and names what it has no price for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::environment::{CloudEnvironment, ScalingTarget};

/// When the prices were written down.
pub const PRICES_OF: &str = "2025-01";

/// Hours of a month, as AWS reckons.
const HOURS: f64 = 730.0;

/// On-demand Linux, US dollars an hour: type, us-east-1, eu-west-1.
const NODES: &[(&str, f64, f64)] = &[
    ("t3.micro", 0.0104, 0.0114),
    ("t3.small", 0.0208, 0.0228),
    ("t3.medium", 0.0416, 0.0456),
    ("t3.large", 0.0832, 0.0912),
    ("t3.xlarge", 0.1664, 0.1824),
    ("t3.2xlarge", 0.3328, 0.3648),
    ("t4g.micro", 0.0084, 0.0092),
    ("t4g.small", 0.0168, 0.0184),
    ("t4g.medium", 0.0336, 0.0368),
    ("t4g.large", 0.0672, 0.0736),
    ("t4g.xlarge", 0.1344, 0.1472),
    ("m6i.large", 0.096, 0.107),
    ("m6i.xlarge", 0.192, 0.214),
    ("m7g.large", 0.0816, 0.0911),
    ("c6i.large", 0.085, 0.0912),
    ("c6i.xlarge", 0.17, 0.1824),
];
/// A balancer, US dollars an hour: us-east-1, eu-west-1.
const BALANCER: (f64, f64) = (0.0225, 0.0252);
/// General purpose disk, US dollars a GB and month.
const DISK: (f64, f64) = (0.08, 0.088);
/// A public address, US dollars an hour, everywhere.
const ADDRESS: f64 = 0.005;
/// A request to a FIFO queue of SQS, US dollars, everywhere. A job takes about three.
const QUEUE_REQUEST: f64 = 0.50 / 1e6;
/// The time a receive waits for a job, in seconds.
const POLL_SECONDS: f64 = 20.0;
/// A metric of one's own, US dollars a month.
const METRIC: f64 = 0.30;

/// The cost of an environment a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// With as few nodes as may be, in US dollars.
    pub least: f64,
    /// With as many nodes as may be, in US dollars.
    pub most: f64,
    /// The items of the cost.
    pub items: Vec<CostItem>,
    /// The assumptions of the estimate.
    pub assumptions: Vec<String>,
}

/// A part of an estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostItem {
    /// The item.
    pub what: String,
    /// The minimum and maximum number.
    pub count: (u32, u32),
    /// US dollars a month for one; none when there is no price for it.
    pub each: Option<f64>,
    /// Every node has one.
    pub of_node: bool,
}

impl Estimate {
    /// The estimate for an environment in a region.
    #[must_use]
    pub fn from_environment(env: &CloudEnvironment, region: &str) -> Self {
        let european = match region {
            "us-east-1" => Some(false),
            "eu-west-1" => Some(true),
            _ => None,
        };
        let here = |(american, there): (f64, f64)| {
            if european.unwrap_or(true) {
                there
            } else {
                american
            }
        };
        let kind = env.instance_type.as_str();
        let node = NODES.iter().find(|(name, ..)| *name == kind);
        let nodes = (env.min, env.max);
        let each = |what: &str, count: (u32, u32), each: Option<f64>| CostItem {
            what: what.to_owned(),
            count,
            each,
            of_node: true,
        };
        let once = |item: CostItem| CostItem {
            of_node: false,
            ..item
        };
        let mut items = vec![
            each(
                kind,
                nodes,
                node.map(|(_, us, eu)| here((*us, *eu)) * HOURS),
            ),
            each(
                "encrypted disk",
                nodes,
                Some(here(DISK) * f64::from(env.disk_gb)),
            ),
            each("public address of a node", nodes, Some(ADDRESS * HOURS)),
            once(each("load balancer", (1, 1), Some(here(BALANCER) * HOURS))),
            once(each(
                "public address of the balancer",
                (2, 2),
                Some(ADDRESS * HOURS),
            )),
        ];
        if let Some(ScalingTarget::MemoryPercent(_)) = env.scale_on {
            items.push(once(each("metric", (1, 1), Some(METRIC))));
        }
        if env.durable {
            let polls = HOURS * 3600.0 / POLL_SECONDS * QUEUE_REQUEST;
            items.push(each("looks for jobs", nodes, Some(polls)));
        }
        if env.warm_pool > 0 {
            let disk = Some(here(DISK) * f64::from(env.disk_gb));
            let pool = (env.warm_pool, env.warm_pool);
            items.push(once(each("disk of a machine kept stopped", pool, disk)));
        }
        let known = (european.is_some(), node.is_some());
        let assumptions = assumptions(env, region, known);
        let total = |count: fn(&CostItem) -> u32| {
            items
                .iter()
                .map(|item| f64::from(count(item)) * item.each.unwrap_or(0.0))
                .sum()
        };
        Self {
            least: total(|item| item.count.0),
            most: total(|item| item.count.1),
            items,
            assumptions,
        }
    }
}

impl Estimate {
    /// Returns the cost in US dollars of nodes that have run for `nodes` hours in total, and of a
    /// balancer that existed for `door` hours. `None` if something has no price.
    #[must_use]
    pub fn so_far(&self, nodes: f64, door: f64) -> Option<f64> {
        let parts = self.items.iter().map(|item| {
            let hours = if item.of_node { nodes } else { door };
            let count = if item.of_node { 1 } else { item.count.0 };
            Some(item.each? * f64::from(count) * hours / HOURS)
        });
        parts.sum()
    }
}

/// Returns the assumptions of an estimate.
fn assumptions(
    env: &CloudEnvironment,
    region: &str,
    (region_known, kind_known): (bool, bool),
) -> Vec<String> {
    let kind = &env.instance_type;
    let mut assumptions = vec![
        format!("list prices of {PRICES_OF} in US dollars, without tax, on demand, {HOURS} hours"),
        "not counted: traffic, the balancer's capacity units, logs, images (0.10 a GB)".to_owned(),
    ];
    if env.durable {
        let million = 3.0 * QUEUE_REQUEST * 1e6;
        assumptions.push(format!("not counted: jobs, about ${million:.2} a million"));
    }
    if !region_known {
        assumptions.push(format!(
            "no prices are known for {region}: those of eu-west-1 are used"
        ));
    }
    if !kind_known {
        assumptions.push(format!(
            "no price is known for {kind}: nodes are not counted"
        ));
    }
    assumptions
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "about ${:.0} to ${:.0} a month", self.least, self.most)?;
        for CostItem {
            what, count, each, ..
        } in &self.items
        {
            let count = match count {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            match each {
                Some(each) => writeln!(f, "  {count} × {what} at ${each:.2}")?,
                None => writeln!(f, "  {count} × {what}, price unknown")?,
            }
        }
        for assumption in &self.assumptions {
            writeln!(f, "  {assumption}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_the_sum_of_its_parts() {
        let mut env = CloudEnvironment::new("prod");
        env.instance_type = "t3.large".to_owned();
        (env.min, env.max, env.disk_gb) = (2, 4, 30);
        let estimate = Estimate::from_environment(&env, "us-east-1");
        let node = 0.0832 * 730.0 + 0.08 * 30.0 + 0.005 * 730.0;
        let front = 0.0225 * 730.0 + 2.0 * 0.005 * 730.0;
        assert!((estimate.least - (2.0 * node + front)).abs() < 1e-6);
        assert!((estimate.most - (4.0 * node + front)).abs() < 1e-6);
    }

    #[test]
    fn a_stopped_warm_pool_machine_costs_its_disk_only() {
        let mut env = CloudEnvironment::new("prod");
        let without = Estimate::from_environment(&env, "us-east-1").least;
        (env.warm_pool, env.disk_gb) = (3, 30);
        let with = Estimate::from_environment(&env, "us-east-1").least;
        assert!((with - without - 3.0 * 0.08 * 30.0).abs() < 1e-6);
    }

    #[test]
    fn a_queue_costs_what_its_nodes_ask_of_it() {
        let mut env = CloudEnvironment::new("prod");
        let without = Estimate::from_environment(&env, "us-east-1").least;
        env.durable = true;
        let with = Estimate::from_environment(&env, "us-east-1");
        let polls = f64::from(env.min) * 730.0 * 180.0;
        assert!((with.least - without - polls * 0.5e-6).abs() < 1e-6);
        assert!(with.to_string().contains("$1.50 a million"), "{with}");
    }

    #[test]
    fn the_cost_so_far_counts_node_hours_and_balancer_hours_separately() {
        let env = CloudEnvironment::new("prod");
        let estimate = Estimate::from_environment(&env, "us-east-1");
        let month = estimate.so_far(2.0 * HOURS, HOURS).unwrap();
        assert!((month - estimate.least).abs() < 1e-6);
        assert_eq!(estimate.so_far(0.0, 0.0), Some(0.0));
    }

    #[test]
    fn an_unknown_price_is_reported_and_not_guessed() {
        let mut env = CloudEnvironment::new("prod");
        env.instance_type = "x9.huge".to_owned();
        let text = Estimate::from_environment(&env, "ap-south-1").to_string();
        assert!(text.contains("no price is known for x9.huge"), "{text}");
        assert!(
            text.contains("no prices are known for ap-south-1"),
            "{text}"
        );
        assert!(text.contains(PRICES_OF), "{text}");
    }
}
