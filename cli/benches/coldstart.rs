//! Starts against the bare loop: what fnlocal makes of the engine's time.
//!
//! The bare loop creates, starts, asks and removes a container of the very image fnlocal uses,
//! through the engine's API, on the default bridge with a published port. fnlocal's containers are
//! hardened and limited. Rounds take turns, and each begins when the engine is quiet, so that the
//! machine's moods hit all alike.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use support::engine::{Engine, Phases, Plain, free_ports, label};
use support::http::{self, Answer};
use support::{Dev, median, percentile, ratio, resident, spread, times};

/// Samples of each kind of start.
const ROUNDS: usize = 24;
/// Functions called at once.
const CROWD: usize = 25;
/// How often they are.
const CROWD_ROUNDS: usize = 4;

const PHASES: [&str; 5] = ["queue", "create", "boot", "import", "handler"];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let engine = Engine::connect();
        let mut figures = Map::new();
        one_by_one(&engine, folder.path(), &mut figures).await;
        crowd(&engine, folder.path(), &mut figures).await;
        support::write("coldstart", &figures.into());
    });
}

/// Writes a project of `functions` functions, `f0` and on, which all answer the same.
fn project(root: &Path, name: &str, functions: usize, settings: &str) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir(&folder).expect("the folder can be made");
    let mut code = "exports.hello = (req, res) => res.send('hello');\n".to_owned();
    for number in 0..functions {
        let _infallible = writeln!(code, "exports.f{number} = (req, res) => res.send('hello');");
    }
    // The machine's free memory must not decide how many start.
    let config = format!("{settings}\n[limits]\nmemory = \"32GB\"\n");
    std::fs::write(folder.join("index.js"), code).expect("the file can be written");
    std::fs::write(folder.join("fnlocal.toml"), config).expect("the file can be written");
    folder
}

fn settings(pause_after: &str, stop_after: &str, spares: u32) -> String {
    format!(
        "[defaults]\nmemory = \"256MB\"\npause_after = \"{pause_after}\"\n\
         stop_after = \"{stop_after}\"\n[dev]\nspares = {spares}\n"
    )
}

fn dev(folder: &Path) -> Dev {
    Dev::start(folder, &["--runtime", "docker"], &[])
}

/// Answers of one kind, whose start was as it should be.
#[derive(Default)]
struct Series {
    answers: Vec<Answer>,
    /// Answers that had another kind of start.
    other: usize,
}

impl Series {
    fn add(&mut self, answer: Answer, wanted: &str) {
        let answer = answer.ok();
        if answer.start == wanted {
            self.answers.push(answer);
        } else {
            self.other += 1;
        }
    }

    fn millis(&self) -> Vec<f64> {
        self.answers.iter().map(Answer::millis).collect()
    }

    fn phases(&self) -> BTreeMap<&'static str, f64> {
        let of = |name| {
            self.answers
                .iter()
                .filter_map(|one| one.timing.get(name).copied())
                .collect()
        };
        PHASES
            .into_iter()
            .map(|name| (name, median(of(name))))
            .collect()
    }

    fn shown(&self) -> Value {
        json!({ "ms": spread(&self.millis()), "phases": self.phases(), "other": self.other })
    }
}

async fn one_by_one(engine: &Engine, root: &Path, figures: &mut Map<String, Value>) {
    let cold_at = project(root, "cold", 0, &settings("50ms", "100ms", 0));
    let paused_at = project(root, "paused", 0, &settings("50ms", "1h", 0));
    let spare_at = project(root, "spare", ROUNDS + 1, &settings("1h", "2h", 1));
    let (cold, paused, spare) = (dev(&cold_at), dev(&paused_at), dev(&spare_at));
    let image = engine.image_of(&spare_at).await;
    let plain = Plain {
        image: &image,
        code: &cold_at,
        command: None,
    };
    // An instance that imported the code while starting would answer the first request sooner.
    http::get(paused.port, "/hello")
        .await
        .expect("it answers")
        .ok();
    http::get(spare.port, "/f0").await.expect("it answers").ok();
    let mut bare: Vec<Phases> = Vec::new();
    let (mut colds, mut pauseds, mut spares) =
        (Series::default(), Series::default(), Series::default());
    for round in 1..=ROUNDS {
        engine.quiet(root).await;
        bare.push(engine.bare(&plain, free_ports(1)[0], "/hello").await);
        cold.until("nothing is left", |node| node["instances"] == 0)
            .await;
        engine.quiet(root).await;
        colds.add(
            http::get(cold.port, "/hello").await.expect("it answers"),
            "cold",
        );
        cold.until("nothing is left", |node| node["instances"] == 0)
            .await;
        paused
            .until("it is paused", |node| count(node, "paused") == 1)
            .await;
        engine.quiet(root).await;
        pauseds.add(
            http::get(paused.port, "/hello").await.expect("it answers"),
            "warm",
        );
        spare
            .until("a spare", |node| node["packages"][0]["spares"] == 1)
            .await;
        engine.quiet(root).await;
        let path = format!("/f{round}");
        spares.add(
            http::get(spare.port, &path).await.expect("it answers"),
            "spare",
        );
    }
    engine.quiet(root).await;
    report(
        &bare,
        [("cold", &colds), ("spare", &spares), ("paused", &pauseds)],
        figures,
    );
    figures.insert("memory".to_owned(), memory(engine, &spare, &spare_at).await);
}

/// Instances of a project's only function that are in some state.
fn count(node: &Value, state: &str) -> u64 {
    node["functions"][0]["instances"][state]
        .as_u64()
        .unwrap_or_default()
}

fn report(bare: &[Phases], ours: [(&str, &Series); 3], figures: &mut Map<String, Value>) {
    let over = |of: fn(&Phases) -> f64| bare.iter().map(of).collect::<Vec<f64>>();
    let total = over(Phases::total);
    println!("one start at a time");
    times("bare loop", &total);
    for (what, of) in [
        ("create", (|one| one.create) as fn(&Phases) -> f64),
        ("start", |one| one.start),
        ("boot to first answer", |one| one.boot),
    ] {
        times(&format!("  {what}"), &over(of));
    }
    let shown = json!({
        "ms": spread(&total),
        "create": median(over(|one| one.create)),
        "start": median(over(|one| one.start)),
        "boot": median(over(|one| one.boot)),
    });
    figures.insert("bare".to_owned(), shown);
    let wanted = [
        ("cold", "<= 0.5"),
        ("spare", "<= 0.04"),
        ("paused", "<= 0.06"),
    ];
    for (what, series) in ours {
        assert!(
            series.answers.len() >= 20,
            "{what}: {} were another start",
            series.other
        );
        times(&format!("fnlocal, {what}"), &series.millis());
        println!("    of it {:.1?}", series.phases());
        figures.insert(what.to_owned(), series.shown());
    }
    for ((what, series), (_, wanted)) in ours.into_iter().zip(wanted) {
        let value = median(series.millis()) / median(total.clone());
        ratio(&format!("{what} start / bare loop, p50"), value, wanted);
        figures.insert(format!("{what}_ratio"), value.into());
    }
}

/// Measures the memory of idle instances, of their network sandbox, of the engine's processes and
/// of fnlocal.
async fn memory(engine: &Engine, dev: &Dev, folder: &Path) -> Value {
    let running = engine.of(folder).await.into_iter().filter(|one| {
        one.state
            .is_some_and(|state| state.to_string() == "running")
    });
    let (mut instances, mut sandboxes, mut shims) = (Vec::new(), Vec::new(), Vec::new());
    for one in running {
        let kind = label(&one, "fnlocal.kind").unwrap_or_default().to_owned();
        let id = one.id.unwrap_or_default();
        let used = engine.memory(&id).await;
        if kind == "instance" {
            instances.push(used)
        } else {
            sandboxes.push(used)
        }
        shims.extend(shim(&id).map(resident));
    }
    let shown = json!({
        "instance_mib": spread(&instances),
        "sandbox_mib": spread(&sandboxes),
        "shim_resident_mib": if shims.is_empty() { Value::Null } else { spread(&shims) },
        "fnlocal_resident_mib": dev.memory(),
    });
    println!("memory while idle, MiB");
    println!(
        "  an instance {:.1}, its sandbox {:.1}",
        median(instances),
        median(sandboxes)
    );
    println!("  fnlocal itself, resident {:.1}", dev.memory());
    shown
}

/// The engine's process beside a container.
fn shim(container: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid| {
            let command =
                std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.contains("containerd-shim") && command.contains(container)
        })
}

/// Many functions of a package, called at once while none runs. Each round has a fnlocal of its
/// own, so that nothing is paused or removed while others still start.
async fn crowd(engine: &Engine, root: &Path, figures: &mut Map<String, Value>) {
    let folder = project(root, "crowd", CROWD, &settings("1h", "2h", 0));
    let (mut bare, mut ours) = (Vec::new(), Series::default());
    for _ in 0..CROWD_ROUNDS {
        let dev = dev(&folder);
        let image = engine.image_of(&folder).await;
        let plain = Plain {
            image: &image,
            code: &folder,
            command: None,
        };
        engine.quiet(root).await;
        let plains = free_ports(CROWD)
            .into_iter()
            .map(|port| engine.up(&plain, port, "/hello"));
        let (ids, phases): (Vec<_>, Vec<_>) = join_all(plains).await.into_iter().unzip();
        bare.extend(phases.iter().map(Phases::total));
        // Not sooner: removals would slow down those that still start.
        join_all(ids.iter().map(|id| engine.remove(id))).await;
        engine.quiet(root).await;
        let paths: Vec<String> = (0..CROWD).map(|number| format!("/f{number}")).collect();
        for answer in join_all(paths.iter().map(|path| http::get(dev.port, path))).await {
            // One may get the instance that imported the code while fnlocal started.
            ours.add(answer.expect("it answers"), "cold");
        }
    }
    println!("{CROWD} functions called at once, none running");
    times("bare loop, unbounded", &bare);
    times("fnlocal", &ours.millis());
    println!(
        "    of it {:.1?}; {} had another start",
        ours.phases(),
        ours.other
    );
    let of = |numbers: &[f64], hundredth| percentile(numbers.to_vec(), hundredth);
    for hundredth in [50, 95] {
        let value = of(&ours.millis(), hundredth) / of(&bare, hundredth);
        println!(
            "  {:<52} {value:>7.3}",
            format!("fnlocal / bare loop, p{hundredth}")
        );
        figures.insert(format!("crowd_p{hundredth}_ratio"), value.into());
    }
    figures.insert("crowd_bare".to_owned(), spread(&bare));
    figures.insert("crowd".to_owned(), ours.shown());
}
