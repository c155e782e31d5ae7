//! A live fleet against the same fleet simulated: a surge, a spike, and the spike on a fleet that
//! was scaled up before.
//!
//! `fnlocal dev --scale 3..8 --time-scale 10` runs as it is, on processes, with a load of this
//! machine's own; `fnlocal simulate` gets the same, with times that a load test measured of one
//! node. Latencies are those of the answers: a refusal is not a quick answer.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fnlocal_loadtest::profile::{LoadShape, Segment};
use fnlocal_loadtest::scenario::{LoadScenario, ScenarioStep};
use fnlocal_loadtest::{CheckedTarget, LoadKind, LoadPlan, Target};
use serde_json::{Value, json};
use support::{Dev, http, ratio};
use tokio_util::sync::CancellationToken;

const CODE: &str = "exports.sell = (req, res) => setTimeout(() => res.send('sold'), 40);";
/// How many times as fast the fleet's time runs.
const TIMES: u32 = 10;
/// Memory of a node: five instances, which bear 120 requests a second.
const NODE: &str = "320MB";
/// The objective that all runs meet, or do not meet.
const OBJECTIVE: &str = "p99<1s,errors<0.1%";

struct Run {
    name: &'static str,
    /// Seconds before the load rises, while it rises, and after.
    spans: [u64; 3],
    prescaled: bool,
    holds: bool,
}

const RUNS: [Run; 3] = [
    Run {
        name: "surge",
        spans: [15, 60, 25],
        prescaled: false,
        holds: true,
    },
    Run {
        name: "spike",
        spans: [30, 1, 40],
        prescaled: false,
        holds: false,
    },
    Run {
        name: "pre-scaled spike",
        spans: [30, 1, 40],
        prescaled: true,
        holds: true,
    },
];

/// Before and after a rise, in requests a second.
const RATES: [f64; 2] = [2.0, 500.0];

/// The result of a run, live or simulated.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    p50_ms: f64,
    p99_ms: f64,
    refused_percent: f64,
    instances: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let local = tokio::task::LocalSet::new();
    local.run_until(compare()).await;
}

async fn compare() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let calibration = calibrate(folder.path());
    let mut figures = serde_json::Map::new();
    let mut well = true;
    for run in &RUNS {
        println!("{}", run.name);
        let live = live(folder.path(), run).await;
        let simulated = simulate(folder.path(), run, &calibration);
        well &= told(run, &live, &simulated);
        figures.insert(
            run.name.to_owned(),
            json!({"live": shown(&live), "simulated": shown(&simulated)}),
        );
    }
    support::write("fleet", &Value::Object(figures));
    println!(
        "{}",
        if well {
            "they agree"
        } else {
            "they do not agree"
        }
    );
}

/// Prints both and how far they are apart; whether that is near enough.
fn told(run: &Run, live: &Outcome, simulated: &Outcome) -> bool {
    println!("  live      {live:?}\n  simulated {simulated:?}");
    let held = |one: &Outcome| one.p99_ms < 1000.0 && one.refused_percent < 0.1;
    for (what, one) in [("live", live), ("simulated", simulated)] {
        let word = if held(one) { "held" } else { "not held" };
        let wanted = if run.holds { "held" } else { "not held" };
        println!("  {OBJECTIVE}, {what:<30} {word}   wanted {wanted}");
    }
    let p50 = simulated.p50_ms / live.p50_ms;
    let p99 = simulated.p99_ms / live.p99_ms;
    let instances = simulated.instances as f64 / live.instances as f64;
    let refused = simulated.refused_percent - live.refused_percent;
    ratio("p50, simulated / live", p50, "0.8 to 1.2");
    ratio("p99, simulated / live", p99, "0.8 to 1.2");
    ratio("peak instances, simulated / live", instances, "0.9 to 1.1");
    ratio(
        "refused, simulated - live, % of requests",
        refused,
        "-5 to 5",
    );
    (held(live), held(simulated)) == (run.holds, run.holds)
        && [p50, p99].iter().all(|one| (0.8..=1.2).contains(one))
        && (0.9..=1.1).contains(&instances)
        && refused.abs() <= 5.0
}

fn shown(one: &Outcome) -> Value {
    json!({
        "p50_ms": one.p50_ms,
        "p99_ms": one.p99_ms,
        "refused_percent": one.refused_percent,
        "peak_instances": one.instances,
    })
}

/// A fleet that grows at twenty requests a second and node.
fn project(folder: &Path, memory: &str, prescale: &str) {
    let config = format!(
        "[functions.sell]\nmemory = \"64MB\"\nmin_instances = 4\n\n\
         [limits]\nmemory = \"{memory}\"\nqueue = 100\n\n\
         [env.sale]\nnodes = {{ min = 3, max = 8 }}\n\
         scale_on = {{ requests_per_node = 1200 }}\ninstance_type = \"t3.large\"\n{prescale}"
    );
    std::fs::write(folder.join("fnlocal.toml"), config).expect("the file can be written");
    std::fs::write(folder.join("index.js"), CODE).expect("the file can be written");
}

/// Times of one large node: the function's with half the load, since all nodes share this machine,
/// and those of starts.
fn calibrate(folder: &Path) -> std::path::PathBuf {
    project(folder, "2GB", "");
    let dev = Dev::start(folder, &["--runtime", "process", "--quiet"], &[]);
    let mut both = Vec::new();
    for profile in [
        &["--profile", "steady", "--rate", "250", "--duration", "15s"][..],
        &["--profile", "coldstart", "--rounds", "15"],
    ] {
        let file = folder.join("calibration.json");
        let path = file.to_str().expect("it is plain");
        let mut args = vec!["loadtest", "--url"];
        let url = dev.url("");
        let folder = folder.to_str().expect("it is plain");
        args.extend([&*url, "--function", "sell", "--calibration", path]);
        args.extend(profile.iter().copied());
        args.push(folder);
        fnlocal(&args);
        let text = std::fs::read_to_string(&file).expect("it was written");
        both.push(serde_json::from_str::<Value>(&text).expect("it is JSON"));
    }
    let starts = both[1]["functions"]["sell"]["starts"].clone();
    both[0]["functions"]["sell"]["starts"] = starts;
    let path = folder.join("calibration.json");
    std::fs::write(&path, both[0].to_string()).expect("the file can be written");
    path
}

async fn live(folder: &Path, run: &Run) -> Outcome {
    let prescale = if run.prescaled {
        // Two minutes ahead are at most twelve seconds of the fleet's time.
        let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is right");
        let minutes = since.as_secs() / 60 + 2;
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        format!(
            "prescale = [{{ name = \"sale\", cron = \"{minute} {hour} * * *\", timezone = \"UTC\", min = 8 }}]\n"
        )
    } else {
        String::new()
    };
    project(folder, NODE, &prescale);
    let times = TIMES.to_string();
    let args = [
        "--runtime",
        "process",
        "--quiet",
        "--env",
        "sale",
        "--scale",
        "--time-scale",
        &times,
    ];
    let dev = Dev::start(folder, &args, &[]);
    let nodes = if run.prescaled { 8 } else { 3 };
    settled(&dev, nodes).await;
    let outcome = send(&dev, run).await;
    drop(dev);
    outcome
}

/// Waits until `nodes` nodes are in service with their instances, and a minute of the fleet's time
/// begins, as in the simulation.
async fn settled(dev: &Dev, nodes: usize) {
    loop {
        let answer = http::look(dev.platform, "/_fnlocal/view", &dev.token).await;
        let answer = answer.expect("the platform answers");
        let view: Value = serde_json::from_str(&answer.body).expect("the view is JSON");
        let all = view["nodes"].as_object().expect("it is a fleet");
        let ready = all.values().filter(|one| {
            let idle = &one["picture"]["node"]["functions"][0]["instances"];
            let warm = idle["idle"].as_u64().unwrap_or(0) + idle["paused"].as_u64().unwrap_or(0);
            one["target"] == "healthy" && warm >= 4
        });
        let into = view["clock"].as_f64().expect("it says the time") % 60.0;
        if ready.count() >= nodes && into < 2.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn send(dev: &Dev, run: &Run) -> Outcome {
    let [low, high] = RATES;
    let names = ["before", "rise", "after"];
    let rates = [(low, low), (low, high), (high, high)];
    let parts = names.iter().zip(run.spans).zip(rates);
    let segments = parts.map(|((name, seconds), (from, to))| Segment {
        name: (*name).to_owned(),
        length: Duration::from_secs(seconds),
        from,
        to,
    });
    let plan = LoadPlan {
        scenario: LoadScenario {
            name: "sale".to_owned(),
            steps: vec![ScenarioStep::get("sell")],
        },
        shape: LoadShape::Spike,
        load: LoadKind::Rate(segments.collect()),
        connections: 2000,
        timeout: Duration::from_secs(60),
        goose_report: None,
    };
    let target = Target::parse(&dev.url("")).expect("it is a URL");
    let checked = CheckedTarget::look(&target).await.expect("it answers");
    let gathered = checked.run(&plan, |_| {}, CancellationToken::new()).await;
    let gathered = gathered.expect("it runs");
    let mut answers = None;
    for ((_, kind), tally) in &gathered.recorder.tallies {
        if kind.start().is_none() {
            continue;
        }
        match &mut answers {
            None => answers = Some(tally.clone()),
            Some(all) => all.merge(tally),
        }
    }
    let answers = answers.expect("some were answered").latency;
    let lag = gathered.recorder.lag.value_at_quantile(0.99);
    println!(
        "  {} sent, {} answered, the generator {:.1} ms late at the 99th percentile",
        gathered.sent,
        answers.len(),
        lag as f64 / 1000.0
    );
    let millis = |quantile| answers.value_at_quantile(quantile) as f64 / 1000.0;
    let samples = gathered.watched.samples.iter();
    Outcome {
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
        refused_percent: 100.0 - answers.len() as f64 * 100.0 / gathered.sent as f64,
        instances: samples.map(|one| u64::from(one.all)).max().unwrap_or(0),
    }
}

fn simulate(folder: &Path, run: &Run, calibration: &Path) -> Outcome {
    // Pre-scaling has a time of its own here.
    project(folder, NODE, "");
    let [before, rise, after] = run.spans;
    let kind = if rise == 1 { "spike" } else { "surge" };
    let [low, high] = RATES;
    let mut args: Vec<String> = vec![
        "simulate".into(),
        folder.display().to_string(),
        "--json".into(),
        "--even".into(),
        "--env=sale".into(),
        format!("--time-scale={TIMES}"),
        format!("--load={kind}:{low}..{high}"),
        format!("--begin={before}s"),
        format!("--over={rise}s"),
        format!("--duration={}s", before + rise + after),
        format!("--calibrate={}", calibration.display()),
        // The function waits for a timer.
        "--cpu=0.02".into(),
    ];
    if run.prescaled {
        args.push("--prescale=8@0s".into());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let report: Value = serde_json::from_str(&fnlocal(&args)).expect("the report is JSON");
    let number = |value: &Value| value.as_f64().expect("it is a number");
    Outcome {
        p50_ms: number(&report["latency"][0]["milliseconds"]["p50"]),
        p99_ms: number(&report["latency"][0]["milliseconds"]["p99"]),
        refused_percent: number(&report["requests"]["error_percent"]),
        instances: report["peak"]["instances"].as_u64().expect("it is a count"),
    }
}

/// Returns the output of a command on stdout.
fn fnlocal(args: &[&str]) -> String {
    let command = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(args)
        .output();
    let output = command.expect("fnlocal runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
