//! A scenario from arguments and `fnlocal.toml`.

use std::path::Path;

use fnlocal_core::balancer::BalancerSettings;
use fnlocal_core::scaling::{GroupSettings, ScalingMetric, Scheduled, WarmPoolSettings};
use fnlocal_core::time::{Instant, bounded_secs};
use fnlocal_core::{Profile, RouterSettings};
use fnlocal_project::{ConfigFile, EnvConfig, ScaleOnConfig};
use fnlocal_sim::calibrate::Calibration;
use fnlocal_sim::price;
use fnlocal_sim::scenario::{
    Death, FleetSize, Routing, Scenario, ScenarioFunction, ScenarioMachine, Times,
};
use fnlocal_sim::workload::{RequestSource, Workload};

use super::begin::begin;
use super::error::SimulateError;
use super::load::NodesAt;
use super::triggered::triggered;
use crate::simulate::{RoutingChoice, SimulateArgs};

/// The default type of a node.
const TYPE: &str = "t3.large";

/// The scenario, and what is assumed or left out in it.
pub fn scenario(args: &SimulateArgs) -> Result<(Scenario, Vec<String>), SimulateError> {
    let mut notes = Vec::new();
    let file = ConfigFile::read(&args.folder)?;
    let env = env(args, &file)?;
    let source = source(args, &mut notes)?;
    let machine = machine(args, &file, env, &mut notes)?;
    let functions = functions(args, &file, &source, &machine, &mut notes)?;
    let fleet = fleet(args, env, &machine, source.duration(), &mut notes)?;
    let triggered = triggered(args, &file, &functions, source.duration(), &mut notes)?;
    let usual = Times::default();
    let mut scenario = Scenario {
        seed: args.seed,
        functions,
        source,
        triggered,
        fleet,
        time_scale: args.time_scale,
        routing: match args.routing {
            RoutingChoice::Sticky => Routing::Sticky(RouterSettings::default()),
            RoutingChoice::RoundRobin => Routing::RoundRobin,
        },
        machine,
        deaths: deaths(args, &mut notes),
        balancer: BalancerSettings::default(),
        times: Times {
            boot: args.boot.clone().unwrap_or(usual.boot),
            import: args.import.clone().unwrap_or(usual.import),
            machine: args.machine_boot.clone().unwrap_or(usual.machine),
            ..Times::default()
        },
        slo: args.slo.clone(),
        events: args.events,
    };
    if let Some(path) = &args.calibrate {
        let text = read(path, "the calibration")?;
        let calibration =
            Calibration::read(&text).map_err(|source| SimulateError::Calibration {
                path: path.clone(),
                source,
            })?;
        notes.extend(calibration.apply(&mut scenario));
    } else if args.service.is_none() {
        notes.push(
            "functions are assumed to take 50 ms, and 250 ms at the 99th percentile: say \
                    --service, or --calibrate with a load test's report"
                .to_owned(),
        );
    }
    Ok((scenario, notes))
}

fn deaths(args: &SimulateArgs, notes: &mut Vec<String>) -> Vec<Death> {
    if !args.kill.is_empty() {
        notes.push(
            "requests are taken to be repeatable: one that a dead node had been sent by another is \
             served where it entered"
                .to_owned(),
        );
    }
    let death = |one: &NodesAt| Death {
        at: one.at,
        nodes: one.nodes,
    };
    args.kill.iter().map(death).collect()
}

fn read(path: &Path, what: &'static str) -> Result<String, SimulateError> {
    std::fs::read(path)
        .and_then(fnlocal_files::decode)
        .map_err(|source| SimulateError::File {
            what,
            path: path.to_owned(),
            source,
        })
}

fn env<'a>(
    args: &SimulateArgs,
    file: &'a ConfigFile,
) -> Result<Option<&'a EnvConfig>, SimulateError> {
    let Some(name) = &args.env_name else {
        return Ok(None);
    };
    let unknown = || SimulateError::UnknownEnv {
        name: name.clone(),
        known: file.config.env.keys().cloned().collect(),
    };
    file.config.env.get(name).map(Some).ok_or_else(unknown)
}

fn source(args: &SimulateArgs, notes: &mut Vec<String>) -> Result<RequestSource, SimulateError> {
    let Some(path) = &args.trace else {
        return Ok(RequestSource::Drawn(Workload {
            shape: args.load.shape(args.begin.0, args.over.map(|span| span.0)),
            duration: args.duration.0,
            poisson: !args.even,
            skew: args.skew,
        }));
    };
    let trace = super::trace::read(path)?;
    notes.extend(trace.warnings.iter().cloned());
    Ok(RequestSource::Traced(trace))
}

fn machine(
    args: &SimulateArgs,
    file: &ConfigFile,
    env: Option<&EnvConfig>,
    notes: &mut Vec<String>,
) -> Result<ScenarioMachine, SimulateError> {
    let profile: Profile = args.profile.into();
    if profile != Profile::Fnlocal {
        notes.push(format!(
            "{profile} shows no nodes: every instance has processors enough, and what it costs is \
             not known here"
        ));
        return Ok(ScenarioMachine::serverless(profile));
    }
    let said = args.instance_type.as_deref();
    let configured = env.and_then(|env| env.instance_type.as_deref());
    let name = said.or(configured).unwrap_or(TYPE);
    let kind = price::instance_type(name).ok_or_else(|| match (&args.env_name, said) {
        (Some(env), None) => {
            let names = price::TYPES.map(|kind| kind.name).join(", ");
            let message = format!("`{name}` is not a known instance type");
            let error = file.error_at(&["env", env, "instance_type"], message);
            error.with_hint(Some(format!("known are {names}"))).into()
        }
        _ => SimulateError::UnknownType(name.to_owned()),
    })?;
    if said.or(configured).is_none() {
        notes.push(format!(
            "nodes are assumed to be {TYPE}: say --instance-type"
        ));
    }
    let limits = &file.config.limits;
    let usable = price::usable_mib(kind.memory_mib);
    let memory = limits.memory.map_or(usable, |memory| memory.0.min(usable));
    let mut machine = ScenarioMachine::new(kind.name, kind.vcpus, memory);
    machine.hour = kind.hour;
    let bounds = &mut machine.limits;
    bounds.max_instances = limits.max_instances.unwrap_or(bounds.max_instances);
    bounds.rps = limits.rps.and_then(|rate| rate.0);
    bounds.burst = limits.burst;
    bounds.over_rate = limits.over_rate.unwrap_or_default();
    bounds.spares = file.config.dev.spares.unwrap_or(bounds.spares);
    let usual = file.config.defaults.memory;
    bounds.spare_memory_mib = usual.map_or(bounds.spare_memory_mib, |memory| memory.0);
    Ok(machine)
}

fn functions(
    args: &SimulateArgs,
    file: &ConfigFile,
    source: &RequestSource,
    machine: &ScenarioMachine,
    notes: &mut Vec<String>,
) -> Result<Vec<ScenarioFunction>, SimulateError> {
    let configured: Vec<String> = file.config.functions.keys().cloned().collect();
    let names = match (source, args.functions) {
        (RequestSource::Traced(trace), _) => trace.functions.clone(),
        (_, Some(count)) => (1..=count).map(|n| format!("f{n}")).collect(),
        (_, None) if !configured.is_empty() => configured,
        _ => {
            notes.push(
                "one function with the usual limits is assumed: fnlocal.toml has no \
                        [functions.NAME]"
                    .to_owned(),
            );
            vec!["app".to_owned()]
        }
    };
    let mut functions = Vec::new();
    for name in names {
        let settings = file.settings(&name, args.profile.into())?;
        let memory = settings.limits.memory_mib;
        if memory > machine.limits.memory_mib && file.path.is_some() {
            let message = format!(
                "function `{name}` asks for {memory}MB, and a {} has {}MB for instances",
                machine.kind, machine.limits.memory_mib
            );
            let error = file.error_at(&["functions", &name, "memory"], message);
            let hint = "choose a larger `instance_type`, or less `memory`".to_owned();
            return Err(error.with_hint(Some(hint)).into());
        }
        let mut function = ScenarioFunction::new(&name, settings.limits);
        function.cpu = args.cpu.clamp(0.0, 1.0);
        if let Some(service) = &args.service {
            function.service = service.clone();
        }
        functions.push(function);
    }
    Ok(functions)
}

fn fleet(
    args: &SimulateArgs,
    env: Option<&EnvConfig>,
    machine: &ScenarioMachine,
    duration: f64,
    notes: &mut Vec<String>,
) -> Result<FleetSize, SimulateError> {
    let range = env.and_then(|env| env.nodes);
    let (None, Some(range), Profile::Fnlocal) = (args.nodes, range, machine.profile) else {
        let swept = args
            .sweep
            .as_ref()
            .is_some_and(|sweep| sweep.key == "nodes");
        if args.nodes.is_none() && !swept && machine.profile == Profile::Fnlocal {
            notes.push("one node is assumed: say --nodes, or --env with `nodes`".to_owned());
        }
        return Ok(FleetSize::Fixed(args.nodes.unwrap_or(1)));
    };
    let usual = GroupSettings::default();
    let scale_on = env.and_then(|env| env.scale_on);
    if scale_on.is_none() {
        notes.push("the fleet is assumed to grow at 70 % of its memory: say `scale_on`".to_owned());
    }
    let action = |nodes, at| Scheduled {
        at: Instant::START + at,
        min: Some(nodes),
        max: None,
    };
    let mut scheduled: Vec<Scheduled> = args
        .prescale
        .iter()
        .map(|one| action(one.nodes, bounded_secs(one.at)))
        .collect();
    let begin = args.at.as_deref().map(begin).transpose()?;
    for prescale in env.iter().flat_map(|env| &env.prescale) {
        let Some(begin) = begin else {
            notes.push(format!(
                "pre-scaling `{}` is at a time of day and left out: say when the load begins with \
                 --at, or --prescale {}@SPAN",
                prescale.name, prescale.min
            ));
            continue;
        };
        let times = prescale.occurrences(begin, bounded_secs(duration))?;
        scheduled.extend(times.into_iter().map(|at| action(prescale.min, at)));
    }
    let pool = env.and_then(|env| env.warm_pool).filter(|&size| size > 0);
    Ok(FleetSize::Group(GroupSettings {
        min: range.min,
        max: range.max,
        metric: match scale_on {
            Some(ScaleOnConfig::RequestsPerNode(target)) => ScalingMetric::RequestsPerNode(target),
            Some(ScaleOnConfig::MemoryPercent(target)) => ScalingMetric::MemoryPercent(target),
            None => usual.metric,
        },
        warm_up: env
            .and_then(|env| env.warm_up)
            .map_or(usual.warm_up, |span| span.0),
        scheduled,
        warm_pool: pool.map(|size| WarmPoolSettings { size }),
        ..usual
    }))
}
