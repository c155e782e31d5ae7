//! Several nodes behind a balancer: where requests go, and what becomes of them when nodes end.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::Value;
use support::scrape::scrape;
use support::{Dev, Folder, header};
use tokio_tungstenite::tungstenite::Message;

const QUICK: &str = "exports.quick = (req, res) => res.json({ ok: true });";

/// A fleet of processes: what is tested here is the same on Docker, and starts sooner.
fn fleet(folder: &Folder, args: &[&str]) -> Dev {
    let mut all = vec!["--runtime", "process"];
    all.extend(args);
    Dev::start_with(folder, &all)
}

fn token(folder: &Folder) -> String {
    let text = std::fs::read(folder.path().join(".fnlocal/running.json")).unwrap();
    let running: Value = serde_json::from_slice(&text).unwrap();
    running["token"].as_str().unwrap().to_owned()
}

async fn tell(dev: &Dev, folder: &Folder, node: &str, what: &str) -> StatusCode {
    let request = reqwest::Client::new().post(dev.at(&format!("/_fnlocal/nodes/{node}/{what}")));
    let answer = request
        .header("x-fnlocal-token", token(folder))
        .send()
        .await;
    answer.unwrap().status()
}

/// The node that served, and what the request waited for.
async fn served(client: &reqwest::Client, url: String) -> (String, String) {
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    let of = |name| header(&answer, name).to_owned();
    (of("x-fnlocal-node"), of("x-fnlocal-start"))
}

/// The answers other than 200, and the node of each answer with the time of its request.
type Answers = (Vec<String>, Vec<(Instant, String)>);

/// A steady load of GETs, until stopped.
struct Load {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Answers>,
}

impl Load {
    fn start(url: String, rps: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            let mut tick = tokio::time::interval(Duration::from_secs(1) / rps);
            let mut asked = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                tick.tick().await;
                let sent = client.get(&url).send();
                asked.push(tokio::spawn(async move { (Instant::now(), sent.await) }));
            }
            let (mut failed, mut nodes) = (Vec::new(), Vec::new());
            for one in asked {
                match one.await.unwrap() {
                    (at, Ok(answer)) if answer.status() == 200 => {
                        nodes.push((at, header(&answer, "x-fnlocal-node").to_owned()));
                    }
                    (_, Ok(answer)) => failed.push(answer.text().await.unwrap()),
                    (_, Err(error)) => failed.push(error.to_string()),
                }
            }
            (failed, nodes)
        });
        Self { stop, task }
    }

    async fn end(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_function_stays_on_one_node_and_every_node_serves_some() {
    let mut code = String::new();
    for n in 0..20 {
        writeln!(code, "exports.f{n} = (req, res) => res.json({{ n: {n} }});").unwrap();
    }
    let limits = "[defaults]\nmemory = \"64MB\"\n[limits]\nmemory = \"4GB\"\n";
    let folder = Folder::new(&[("index.js", &code), ("fnlocal.toml", limits)]);
    let dev = fleet(&folder, &["--nodes", "4", "--quiet"]);
    let client = reqwest::Client::new();
    let mut homes: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let (mut not_warm, mut nodes) = (0, BTreeSet::new());
    let requests = 400;
    for at in 0..requests {
        // Skewed: the first function gets most.
        let function = if at % 2 == 0 { 0 } else { (at / 2) % 20 };
        let (node, start) = served(&client, dev.at(&format!("/f{function}"))).await;
        not_warm += usize::from(start != "warm");
        nodes.insert(node.clone());
        homes.entry(function).or_default().insert(node);
    }
    assert!(homes.values().all(|nodes| nodes.len() == 1), "{homes:?}");
    assert_eq!(nodes.len(), 4, "{homes:?}");
    // Round robin would start every function on every node: 80.
    assert_eq!(not_warm, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_under_load_loses_no_repeatable_request() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let dev = fleet(&folder, &["--nodes", "3", "--quiet"]);
    let (home, _) = served(&reqwest::Client::new(), dev.at("/quick")).await;
    let load = Load::start(dev.at("/quick"), 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let killed = Instant::now();
    assert_eq!(tell(&dev, &folder, &home, "kill").await, 202);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (failed, nodes) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert!(nodes.len() > 600, "{}", nodes.len());
    let on_it = |(at, node): &&(Instant, String)| *node == home && *at >= killed;
    let last = nodes.iter().filter(on_it).map(|(at, _)| *at - killed).max();
    println!(
        "{} requests; the last on {home} was sent {last:?} after its end",
        nodes.len()
    );
    assert!(
        last.is_none_or(|last| last < Duration::from_secs(2)),
        "{last:?}"
    );
    let view = dev.view().await;
    assert_eq!(view["nodes"][&home]["stage"], "dead", "{view}");
    assert_eq!(view["nodes"][&home]["routed"], false);
}

/// Requests that ended, as the metrics sum them up and as the picture does.
async fn totals(dev: &Dev) -> (f64, f64) {
    let samples = scrape(dev).await;
    let ended = samples
        .iter()
        .filter(|one| one.name == "fnlocal_requests_total");
    let counted = ended.map(|one| one.value);
    let view: Value = dev.view().await;
    let nodes = view["nodes"].as_object().unwrap().values();
    let nodes = nodes.filter_map(|node| node["picture"]["requests"].as_array());
    let shown = nodes.chain(view["ended"].as_array()).flatten();
    let shown = shown.map(|count| count["requests"].as_f64().unwrap());
    (counted.sum(), shown.sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fleet_totals_do_not_decrease_when_a_node_ends() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let dev = fleet(&folder, &["--nodes", "3", "--quiet"]);
    let client = reqwest::Client::new();
    let mut sent = 0.0;
    for how in ["kill", "drain"] {
        let mut home = String::new();
        for _ in 0..10 {
            (home, _) = served(&client, dev.at("/quick")).await;
            sent += 1.0;
        }
        assert_eq!(totals(&dev).await, (sent, sent), "before its {how}");
        assert_eq!(tell(&dev, &folder, &home, how).await, 202);
        let mut there = true;
        while there {
            // At no moment between its life and its end is anything missing, or counted twice.
            assert_eq!(
                totals(&dev).await,
                (sent, sent),
                "while {home} ends by {how}"
            );
            let view: Value = dev.view().await;
            let node = &view["nodes"][&home];
            there = !node.is_null() && node["stage"] != "dead";
        }
        assert_eq!(totals(&dev).await, (sent, sent), "after its {how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_node_finishes_its_requests_and_receives_no_new_ones() {
    let code = "exports.slow = async (req, res) => {
      await new Promise((done) => setTimeout(done, 50));
      res.send('ok');
    };";
    let folder = Folder::new(&[("index.js", code)]);
    let mut dev = fleet(&folder, &["--nodes", "3", "--quiet"]);
    let (home, _) = served(&reqwest::Client::new(), dev.at("/slow")).await;
    let load = Load::start(dev.at("/slow"), 50);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tell(&dev, &folder, &home, "drain").await, 202);
    let gone = format!("{home} is gone");
    dev.wait_for(&gone, |record| record["text"] == *gone);
    let drained = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (failed, nodes) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert!(nodes.iter().any(|(_, node)| *node == home));
    let later: BTreeSet<_> = nodes.iter().filter(|(at, _)| *at > drained).collect();
    assert!(!later.is_empty() && later.iter().all(|(_, node)| *node != home));
    assert!(dev.view().await["nodes"].get(&home).is_none());
    assert_eq!(tell(&dev, &folder, &home, "drain").await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_a_node_requires_the_token() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let dev = fleet(&folder, &["--nodes", "2"]);
    let client = reqwest::Client::new();
    let kill = || client.post(dev.at("/_fnlocal/nodes/n1/kill"));
    assert_eq!(kill().send().await.unwrap().status(), 401);
    let wrong = kill().header("x-fnlocal-token", "0".repeat(32));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let elsewhere = kill()
        .header("host", "evil.example")
        .header("x-fnlocal-token", token(&folder));
    assert_eq!(elsewhere.send().await.unwrap().status(), 403);
    let view = dev.view().await;
    for node in ["n1", "n2"] {
        assert_eq!(view["nodes"][node]["stage"], "serving", "{view}");
        assert_eq!(view["nodes"][node]["target"], "healthy", "{view}");
        assert_eq!(view["nodes"][node]["routed"], true, "{view}");
    }
    assert_eq!(view["nodes"]["n1"]["picture"]["node"]["draining"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_forge_the_forwarded_header() {
    let code = "exports.echo = (req, res) => res.json(req.headers);";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = fleet(&folder, &["--nodes", "3"]);
    let client = reqwest::Client::new();
    let (home, _) = served(&client, dev.at("/echo")).await;
    // Round robin enters on every node; believed, the mark would have each serve its own.
    for _ in 0..9 {
        let request = client
            .get(dev.at("/echo"))
            .header("x-fnlocal-forwarded", "1");
        let request = request.header("x-fnlocal-request-id", "mine");
        let answer = request.send().await.unwrap();
        assert_eq!(header(&answer, "x-fnlocal-node"), home);
        assert_ne!(header(&answer, "x-fnlocal-request-id"), "mine");
        let seen: Value = answer.json().await.unwrap();
        assert!(seen.get("x-fnlocal-forwarded").is_none(), "{seen}");
        // The client, as the balancer saw it, then the balancer, as the node saw it: once each.
        assert_eq!(seen["x-forwarded-for"], "127.0.0.1, 127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_streams_are_forwarded_between_nodes() {
    let code = "exports.size = {
      func: async (req, res) => {
        let size = 0;
        for await (const piece of req) size += piece.length;
        res.write(`${size}`);
        setTimeout(() => res.end(' bytes'), 20);
      },
      config: { body: 'stream' },
    };";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = fleet(&folder, &["--nodes", "3"]);
    let client = reqwest::Client::new();
    for _ in 0..6 {
        let body = vec![7; 300_000];
        let answer = client
            .post(dev.at("/size"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), "300000 bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_sockets_are_forwarded_through_the_balancer_and_between_nodes() {
    let code = "const { createHash } = require('node:crypto');
    const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
    exports.echo = { upgrade: (req, socket) => {
      const accept = createHash('sha1').update(req.headers['sec-websocket-key'] + GUID).digest('base64');
      socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
        `Sec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`);
      socket.on('data', (frame) => {
        const size = frame[1] & 127, mask = frame.subarray(2, 6);
        const bytes = frame.subarray(6, 6 + size).map((byte, at) => byte ^ mask[at % 4]);
        socket.write(Buffer.concat([Buffer.from([frame[0], size]), bytes]));
      });
    } };";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = fleet(&folder, &["--nodes", "3"]);
    let url = dev.at("/echo").replacen("http", "ws", 1);
    let mut homes = BTreeSet::new();
    // Round robin enters on every node, and one of them serves.
    for n in 0..6 {
        let (mut socket, upgraded) = tokio_tungstenite::connect_async(&url).await.unwrap();
        homes.insert(upgraded.headers()["x-fnlocal-node"].clone());
        for word in ["hello", "again"] {
            let message = Message::text(format!("{word} {n}"));
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
    }
    assert_eq!(homes.len(), 1, "{homes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_balancer_answers_504_if_a_node_is_silent_for_its_idle_timeout() {
    let code = "exports.slow = {
      func: (req, res) => setTimeout(() => res.send('late'), 80_000),
      config: { timeout: '90s' },
    };";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = fleet(&folder, &["--nodes", "2"]);
    let asked = Instant::now();
    let answer = reqwest::get(dev.at("/slow")).await.unwrap();
    let took = asked.elapsed();
    assert_eq!(answer.status(), 504);
    assert_eq!(
        header(&answer, "content-type"),
        "application/problem+json",
        "the balancer's own"
    );
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["reason"], "node_silent", "{problem}");
    // As long as an ALB waits.
    let minute = Duration::from_secs(60);
    assert!(
        took >= minute && took < minute + Duration::from_secs(10),
        "{took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scaling_group_replaces_a_killed_node() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let mut dev = fleet(&folder, &["--scale", "2..4", "--time-scale", "20"]);
    assert_eq!(dev.view().await["desired"], 2);
    assert_eq!(tell(&dev, &folder, "n2", "kill").await, 202);
    dev.wait_for("boot of n3", |record| {
        record["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("n3 boots"))
    });
    dev.wait_for("n3 in service", |record| {
        record["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("n3 is healthy"))
    });
    let view = dev.view().await;
    let nodes: Vec<_> = view["nodes"].as_object().unwrap().keys().collect();
    assert_eq!(nodes, ["n1", "n3"]);
    served(&reqwest::Client::new(), dev.at("/quick")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scaling_group_grows_when_nodes_exceed_their_request_target() {
    let env = "[env.dev]\nnodes = { min = 1, max = 3 }\nscale_on = { requests_per_node = 300 }\n";
    let folder = Folder::new(&[("index.js", QUICK), ("fnlocal.toml", env)]);
    let mut dev = fleet(&folder, &["--scale", "--time-scale", "60", "--quiet"]);
    // 20 a second are 1,200 a minute: four nodes' worth, and three are allowed.
    let load = Load::start(dev.at("/quick"), 20);
    dev.wait_for("third node", |record| {
        record["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("n3 is healthy"))
    });
    let (failed, _) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(dev.view().await["desired"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_reaches_every_node() {
    let folder = Folder::new(&[("index.js", "exports.v = (req, res) => res.send('one');")]);
    let mut dev = fleet(&folder, &["--nodes", "3", "--quiet"]);
    served(&reqwest::Client::new(), dev.at("/v")).await;
    folder.write("index.js", "exports.v = (req, res) => res.send('two');");
    dev.wait_reloaded("v");
    for _ in 0..6 {
        let answer = reqwest::get(dev.at("/v")).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "two");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_nodes_have_separate_containers_and_leave_none_behind() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "docker", "--nodes", "2", "--quiet"]);
    served(&reqwest::Client::new(), dev.at("/quick")).await;
    let nodes = || {
        let output = std::process::Command::new("docker")
            .args(["ps", "--format", "{{.Label \"fnlocal.node\"}}", "--filter"])
            .arg(format!(
                "label=fnlocal.folder={}",
                folder.path().canonicalize().unwrap().display()
            ))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(nodes(), BTreeSet::from(["n1".to_owned(), "n2".to_owned()]));
    assert_eq!(tell(&dev, &folder, "n2", "kill").await, 202);
    support::eventually("n2 leaves nothing", async || nodes().len() == 1).await;
    served(&reqwest::Client::new(), dev.at("/quick")).await;
    assert_eq!(dev.interrupt(), Some(0));
    assert_eq!(support::containers_of(&folder), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_served_by_several_nodes_from_the_same_image() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let dev = Dev::up_with(&folder, &["--nodes", "2", "--quiet"]);
    let client = reqwest::Client::new();
    let (home, _) = served(&client, dev.at("/quick")).await;
    assert_eq!(tell(&dev, &folder, &home, "kill").await, 202);
    let (other, _) = served(&client, dev.at("/quick")).await;
    assert_ne!(home, other);
}

#[test]
fn missing_or_invalid_node_bounds_are_refused() {
    let folder = Folder::new(&[("index.js", QUICK)]);
    let path = folder.path().to_str().unwrap();
    let said = |args: &[&str]| {
        let mut all = vec!["dev", path, "--port", "0", "--runtime", "process"];
        all.extend(args);
        let (code, _, stderr) = support::fnlocal(&all);
        (code, stderr)
    };
    let (code, text) = said(&["--scale"]);
    assert_eq!(code, 64, "{text}");
    assert!(text.contains("--scale 2..10"), "{text}");
    let (code, text) = said(&["--scale", "5..2"]);
    assert_eq!(code, 64, "{text}");
    let (code, text) = said(&["--scale", "often"]);
    assert_eq!(code, 2, "{text}");
    let (code, text) = said(&["--nodes", "1000"]);
    assert_eq!(code, 64, "{text}");
    assert!(text.contains("fnlocal simulate"), "{text}");
}
