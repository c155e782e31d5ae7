//! `fnlocal ps`: what runs, as a table or as JSON.

mod args;

pub use args::{EXAMPLES, PsArgs};

use std::fmt::Write as _;

use fnlocal_api::Exit;
use fnlocal_core::view::{FunctionView, InstancesView};
use fnlocal_project::Running;
use serde_json::{Value, json};

use crate::error::CommandResult;
use crate::lines::column_width;
use crate::running::{self, RunningNode, RunningPicture, RunningView, block_on};
use crate::terminal::{self, one_line};

/// Prints it.
pub fn run(args: &PsArgs) -> CommandResult {
    let running = Running::find(&args.folder)?;
    let view = block_on(async {
        let client = running::client().map_err(|error| running::silent(&running, error))?;
        running::view(&client, &running).await
    })?;
    if args.json {
        terminal::print_json(&value(&running, &view));
    } else {
        terminal::print!("{}", table(&running, &view));
    }
    Ok(Exit::Ok)
}

fn value(running: &Running, view: &RunningView) -> Value {
    let nodes = view.nodes.iter().map(|(name, node)| {
        let functions = node.picture.iter().flat_map(|picture| {
            let named = picture.named();
            let each = named.into_iter();
            each.map(|(name, one)| function_value(picture, name, one))
                .collect::<Vec<_>>()
        });
        let core = node.picture.as_ref().map(|picture| &picture.node);
        json!({
            "node": name,
            "stage": node.stage,
            "instances": core.map(|core| core.instances),
            "memory_promised_mib": core.map(|core| core.memory_promised_mib),
            "memory_mib": core.map(|core| core.limits.memory_mib),
            "functions": functions.collect::<Vec<_>>(),
        })
    });
    json!({
        "url": running.url,
        "pid": running.pid,
        "runtime": running.runtime,
        "version": running.version,
        "desired_nodes": view.desired,
        "nodes": nodes.collect::<Vec<_>>(),
    })
}

fn function_value(picture: &RunningPicture, name: &str, one: &FunctionView) -> Value {
    let (requests, errors) = ended(picture, name);
    json!({
        "name": name,
        "signature": picture.signatures.get(name),
        "broken": one.broken,
        "instances": one.instances,
        "max_instances": one.limits.max_instances,
        "queued": one.queued,
        "running": one.running,
        "requests": requests,
        "errors": errors,
        "memory_mib": one.limits.memory_mib,
    })
}

/// Requests that ended, and those of them with a status of 500 or more.
fn ended(picture: &RunningPicture, name: &str) -> (u64, u64) {
    let own = picture.requests.iter();
    let own = own.filter(|count| count.function.as_deref() == Some(name));
    own.fold((0, 0), |(all, failed), count| {
        let bad = u64::from(count.status >= 500) * count.requests;
        (all + count.requests, failed + bad)
    })
}

fn table(running: &Running, view: &RunningView) -> String {
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    let mut text = format!(
        "{bold}{}{bold:#}  {dim}process {}, {}{dim:#}\n",
        running.url, running.pid, running.runtime
    );
    let several = view.nodes.len() > 1;
    if let Some(desired) = view.desired {
        let _infallible = writeln!(text, "{dim}{desired} nodes wanted{dim:#}");
    }
    let names = view.nodes.values().filter_map(|node| node.picture.as_ref());
    let names = names.flat_map(|picture| picture.functions.values());
    let names = names.map(|name| one_line(name).chars().count());
    let width = column_width(names.chain(["FUNCTION".len()]));
    for (name, node) in &view.nodes {
        if several {
            let _infallible = write!(text, "\n{bold}{name}{bold:#}  {}", node.stage);
        }
        node_table(&mut text, node, width);
    }
    text
}

fn node_table(text: &mut String, node: &RunningNode, width: usize) {
    let dim = anstyle::Style::new().dimmed();
    let red = anstyle::AnsiColor::Red.on_default();
    let Some(picture) = &node.picture else {
        text.push('\n');
        return;
    };
    let spares = picture.node.packages.iter();
    let spares: u32 = spares.map(|one| one.spares + one.spares_paused).sum();
    let _infallible = writeln!(
        text,
        "  {dim}{} instances, {spares} of them spares; {} of {} MiB promised{dim:#}",
        picture.node.instances, picture.node.memory_promised_mib, picture.node.limits.memory_mib
    );
    let _infallible = writeln!(
        text,
        "{dim}{:width$}  {:6}  {:>8}  {:>6}  {:>7}  {:>7}  {:>6}  INSTANCES{dim:#}",
        "FUNCTION", "FORM", "REQUESTS", "ERRORS", "RUNNING", "QUEUED", "MEMORY"
    );
    for (name, one) in picture.named() {
        let (requests, errors) = ended(picture, name);
        let broken = if one.broken {
            format!("{red}broken{red:#}")
        } else {
            String::new()
        };
        let memory = total(&one.instances) * one.limits.memory_mib;
        let _infallible = writeln!(
            text,
            "{:width$}  {:6}  {requests:>8}  {errors:>6}  {:>7}  {:>7}  {memory:>6}  {} {broken}",
            one_line(name),
            one_line(picture.signatures.get(name).map_or("", String::as_str)),
            one.running,
            one.queued,
            states(&one.instances)
        );
    }
}

fn total(instances: &InstancesView) -> u32 {
    parts(instances).iter().map(|&(_, count)| count).sum()
}

fn parts(instances: &InstancesView) -> [(&'static str, u32); 7] {
    [
        ("busy", instances.busy),
        ("idle", instances.idle),
        ("paused", instances.paused),
        ("starting", instances.starting),
        ("importing", instances.assigning),
        ("resuming", instances.resuming),
        ("stopping", instances.stopping),
    ]
}

fn states(instances: &InstancesView) -> String {
    let some = parts(instances).into_iter().filter(|&(_, count)| count > 0);
    let some: Vec<_> = some
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    if some.is_empty() {
        "none".to_owned()
    } else {
        some.join(", ")
    }
}
