//! `/_fnlocal/metrics`: what Prometheus and others scrape, as OpenMetrics text.
//!
//! Counted where it happens, in plain numbers of one thread; the library sees them only here. So
//! `fnlocal_requests_total` is what `/_fnlocal/view` says, at any moment.

mod families;

use std::sync::Arc;

use fnlocal_core::{FunctionView, InstancesView, NodeView, StartKind};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use fnlocal_api::Cause;
use fnlocal_driver::{Count, Counts, Driver, FunctionCounts, Histogram, Starts};
use fnlocal_faults::Faults;
use fnlocal_logs::{Archive, TotalsView};

use families::{Labels, Rows, counters, gauges, histograms};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counts of a node, at a moment.
#[derive(Clone, Debug)]
pub struct NodeCounts {
    node: Arc<str>,
    /// The present state; `None` if the node is gone.
    present: Option<Present>,
    requests: Vec<Count>,
    functions: Vec<FunctionCounts>,
    starts: Starts,
}

/// The state of a node, at a moment.
#[derive(Clone, Debug)]
struct Present {
    names: Vec<(u32, Arc<str>)>,
    view: NodeView,
}

impl NodeCounts {
    /// Returns the counts of a node.
    #[must_use]
    pub fn from_driver(driver: &Driver) -> Self {
        let functions = driver.with_functions(|functions| functions.all());
        let names = functions.iter();
        let names = names.map(|one| (one.id.0, Arc::clone(&one.name)));
        let present = Present {
            names: names.collect(),
            view: driver.view(),
        };
        Self::counted(driver.node(), Some(present), driver.counts())
    }

    /// Returns counts under a name that is no node's.
    #[must_use]
    pub fn apart(name: &str, counts: &Counts) -> Self {
        Self::counted(name.into(), None, counts)
    }

    fn counted(node: Arc<str>, present: Option<Present>, counts: &Counts) -> Self {
        Self {
            node,
            present,
            requests: counts.all(),
            functions: counts.functions(),
            starts: counts.starts(),
        }
    }
}

impl Present {
    fn name(&self, function: &FunctionView) -> String {
        let known = self.names.iter().find(|(id, _)| *id == function.function.0);
        known.map_or_else(
            || function.function.to_string(),
            |(_, name)| name.to_string(),
        )
    }
}

/// All nodes' metrics as text, and those of what is kept.
#[must_use]
pub fn text_of(nodes: Vec<NodeCounts>, archive: Option<&Archive>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All {
        nodes,
        kept: archive.map(Archive::totals),
    }));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes whatever is written");
    text
}

#[derive(Debug)]
struct All {
    nodes: Vec<NodeCounts>,
    kept: Option<TotalsView>,
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        self.requests(&mut encoder)?;
        self.instances(&mut encoder)?;
        self.functions(&mut encoder)?;
        self.starts(&mut encoder)?;
        self.node(&mut encoder)?;
        let panics = vec![(Vec::new(), Faults::process().panics())];
        let help = "Panics of fnlocal itself";
        counters(&mut encoder, "fnlocal_panics", help, panics)?;
        let Some(kept) = &self.kept else {
            return Ok(());
        };
        kept_of(&mut encoder, kept)
    }
}

impl All {
    fn requests(&self, to: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let ended = self.rows(|node| {
            let rows = node.requests.iter().map(|count| {
                let mut labels = labels(&[
                    ("function", count.function.as_deref().unwrap_or_default()),
                    ("start", count.start.map_or("none", StartKind::word)),
                    ("problem", count.problem.as_deref().unwrap_or_default()),
                ]);
                labels.push(("status", count.status.to_string()));
                (labels, count.requests)
            });
            rows.collect()
        });
        counters(to, "fnlocal_requests", "Requests that ended", ended)?;
        let refused = self.rows(|node| {
            let refused = node.requests.iter().filter(|count| count.start.is_none());
            let refused = refused.filter_map(|count| Some((count, count.problem.as_deref()?)));
            let mut all: Vec<(Labels, u64)> = Vec::new();
            for (count, reason) in refused {
                let function = count.function.as_deref().unwrap_or_default();
                let labels = labels(&[("function", function), ("reason", reason)]);
                match all.iter_mut().find(|(known, _)| *known == labels) {
                    Some((_, requests)) => *requests += count.requests,
                    None => all.push((labels, count.requests)),
                }
            }
            all
        });
        let help = "Requests that no instance answered";
        counters(to, "fnlocal_refusals", help, refused)?;
        let latency = self.rows(|node| {
            let each = node.functions.iter().flat_map(|one| {
                one.latency.iter().map(|(start, histogram)| {
                    let labels = labels(&[("function", &one.function), ("start", start.word())]);
                    (labels, histogram.clone())
                })
            });
            each.collect()
        });
        let help = "Time from a request's arrival to the head of its answer";
        histograms(to, "fnlocal_request_duration_seconds", help, latency)
    }

    fn instances(&self, to: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let instances = self.present(|node| {
            let each = node.view.functions.iter().flat_map(|function| {
                let name = node.name(function);
                states(&function.instances).map(move |(state, count)| {
                    (
                        labels(&[("function", &name), ("state", state)]),
                        f64::from(count),
                    )
                })
            });
            each.collect()
        });
        gauges(
            to,
            "fnlocal_instances",
            "Instances, by what they are doing",
            instances,
        )?;
        let spares = self.present(|node| {
            let each = node.view.packages.iter().flat_map(|package| {
                let spares = [
                    ("starting", package.spares_starting),
                    ("ready", package.spares),
                    ("paused", package.spares_paused),
                ];
                let of = move |(state, count): (&'static str, u32)| {
                    let package = package.package.to_string();
                    (
                        labels(&[("package", &package), ("state", state)]),
                        f64::from(count),
                    )
                };
                spares.into_iter().map(of)
            });
            each.collect()
        });
        gauges(
            to,
            "fnlocal_spares",
            "Booted instances without a function",
            spares,
        )
    }

    fn functions(&self, to: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let of = |value: fn(&FunctionView) -> f64| {
            self.present(|node| {
                let each = node.view.functions.iter();
                each.map(|one| (labels(&[("function", &node.name(one))]), value(one)))
                    .collect()
            })
        };
        let waiting = of(|one| f64::from(one.queued));
        gauges(
            to,
            "fnlocal_queue",
            "Requests that wait for an instance",
            waiting,
        )?;
        let running = of(|one| f64::from(one.running));
        gauges(to, "fnlocal_running", "Requests that run", running)?;
        let broken = of(|one| f64::from(u8::from(one.broken)));
        let help = "1 for a function whose code cannot be imported";
        gauges(to, "fnlocal_broken", help, broken)?;
        let reloads = self.rows(|node| node.each(|one| one.spent.reloads));
        let help = "Times a function's requests went to new code";
        counters(to, "fnlocal_reloads", help, reloads)?;
        let ignored = self.rows(|node| node.each(|one| one.spent.ignored_reports));
        let help = "Reports of a function's instances that were too long, unreadable, or the end \
                    of a request that is not the instance's";
        counters(to, "fnlocal_ignored_reports", help, ignored)?;
        let cpu = self.rows(|node| node.each(|one| one.spent.cpu.as_secs_f64()));
        let help = "Time on a processor in invocations that ended";
        counters(to, "fnlocal_function_cpu_seconds", help, cpu)?;
        let memory = self.rows(|node| match node.present {
            Some(_) => node.each(|one| one.spent.memory as f64),
            None => Vec::new(),
        });
        let help = "The most memory one process of a function has had";
        gauges(to, "fnlocal_function_peak_memory_bytes", help, memory)
    }

    fn starts(&self, to: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let phases = self.rows(|node| {
            let Starts {
                create,
                boot,
                import,
            } = node.starts.clone();
            let all = [("create", create), ("boot", boot), ("import", import)];
            let of =
                |(phase, histogram): (&str, Histogram)| (labels(&[("phase", phase)]), histogram);
            // Nothing is started apart from nodes, but by those that were one.
            let some = all
                .into_iter()
                .filter(|(_, histogram)| node.present.is_some() || histogram.count() > 0);
            some.map(of).collect()
        });
        let help = "Time to start an instance and give it a function, by phase";
        histograms(to, "fnlocal_start_phase_seconds", help, phases)
    }

    fn node(&self, to: &mut DescriptorEncoder) -> Result<(), std::fmt::Error> {
        const MIB: f64 = 1_048_576.0;
        let promised =
            self.present(|node| vec![(Vec::new(), node.view.memory_promised_mib as f64 * MIB)]);
        let help = "Memory promised to instances";
        gauges(to, "fnlocal_memory_promised_bytes", help, promised)?;
        let limit =
            self.present(|node| vec![(Vec::new(), f64::from(node.view.limits.memory_mib) * MIB)]);
        let help = "Memory that may be promised to instances";
        gauges(to, "fnlocal_memory_limit_bytes", help, limit)
    }

    /// Rows of every node that is there, with its name.
    fn present<T>(&self, of: impl Fn(&Present) -> Rows<T>) -> Rows<T> {
        self.rows(|node| node.present.as_ref().map(&of).unwrap_or_default())
    }

    /// Rows of every node, with its name.
    fn rows<T>(&self, of: impl Fn(&NodeCounts) -> Rows<T>) -> Rows<T> {
        let each = self.nodes.iter().flat_map(|node| {
            let named = |(mut labels, value): (Labels, T)| {
                labels.insert(0, ("node", node.node.to_string()));
                (labels, value)
            };
            of(node).into_iter().map(named).collect::<Vec<_>>()
        });
        each.collect()
    }
}

impl NodeCounts {
    /// A row for every function; not for what no function answered.
    fn each<T>(&self, value: impl Fn(&FunctionCounts) -> T) -> Rows<T> {
        let named = self.functions.iter().filter(|one| !one.function.is_empty());
        named
            .map(|one| (labels(&[("function", &one.function)]), value(one)))
            .collect()
    }
}

fn kept_of(to: &mut DescriptorEncoder, kept: &TotalsView) -> Result<(), std::fmt::Error> {
    let one = |value: u64| vec![(Vec::new(), value)];
    counters(
        to,
        "fnlocal_log_lines",
        "Lines of functions that were kept",
        one(kept.lines),
    )?;
    let help = "Invocations that were kept";
    counters(to, "fnlocal_log_invocations", help, one(kept.invocations))?;
    counters(
        to,
        "fnlocal_log_bytes",
        "Bytes written to the log",
        one(kept.bytes),
    )?;
    let help = "Records that had no room in the log";
    counters(to, "fnlocal_log_dropped", help, one(kept.dropped))?;
    let help = "Spans that could not be sent";
    counters(to, "fnlocal_spans_dropped", help, one(kept.spans_dropped))?;
    let of = |cause: Cause| {
        (
            labels(&[("cause", cause.word())]),
            kept.errors[cause as usize],
        )
    };
    let errors = Cause::ALL.into_iter().map(of).collect();
    counters(
        to,
        "fnlocal_errors",
        "Errors of functions, by how they came out",
        errors,
    )
}

fn labels(all: &[(&'static str, &str)]) -> Labels {
    all.iter()
        .map(|&(key, value)| (key, value.to_owned()))
        .collect()
}

fn states(instances: &InstancesView) -> impl Iterator<Item = (&'static str, u32)> + use<> {
    [
        ("starting", instances.starting),
        ("assigning", instances.assigning),
        ("idle", instances.idle),
        ("busy", instances.busy),
        ("paused", instances.paused),
        ("resuming", instances.resuming),
        ("stopping", instances.stopping),
    ]
    .into_iter()
}

#[cfg(test)]
#[path = "../../../cli/tests/support/openmetrics.rs"]
mod openmetrics;
#[cfg(test)]
mod tests;
