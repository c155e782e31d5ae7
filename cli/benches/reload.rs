//! From a save to the first answer of the new code, against `node --watch` in a container.
//!
//! The other container runs the same runner from the same image with the code mounted. Saves happen
//! in place there, for `node --watch` goes deaf after a second atomic rename; fnlocal is saved to
//! the way editors do. Each save waits until the last one has been digested.

mod support;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use support::engine::{Engine, Plain, free_ports};
use support::http::{Connection, millis};
use support::{Dev, PATIENCE, median, ratio, spread, times};

/// Saves of each.
const SAVES: usize = 60;
/// Saves while requests come in.
const LOADED_SAVES: usize = 200;
/// Connections they come in on.
const CONNECTIONS: usize = 4;
/// Between two requests of one of these: the function is to be in use, not the machine full.
const BREATH: Duration = Duration::from_millis(2);
/// Between two attempts while nothing listens.
const PAUSE: Duration = Duration::from_millis(1);
/// For `node --watch` to have gathered a save's events, which takes it 200 ms.
const DIGEST: Duration = Duration::from_millis(500);

const WATCHING: [&str; 3] = ["node", "--watch", "/fnlocal/runner.cjs"];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut figures = Map::new();
        let ours = folder.path().join("ours");
        std::fs::create_dir(&ours).expect("the folder can be made");
        let config = "[functions.hello]\nmemory = \"128MB\"\nrps = 1000000\npause_after = \"1h\"\n\
                      stop_after = \"2h\"\n";
        std::fs::write(ours.join("fnlocal.toml"), config).expect("the file can be written");
        let file = Saved::new(&ours, true);
        let dev = Dev::start(&ours, &["--runtime", "docker"], &[]);
        one_by_one(folder.path(), &dev, &file, &mut figures).await;
        under_load(&dev, &file, &mut figures).await;
        support::write("reload", &figures.into());
    });
}

/// A file whose function answers the number it was last saved with.
struct Saved {
    file: PathBuf,
    atomic: bool,
    number: Cell<usize>,
}

impl Saved {
    fn new(folder: &Path, atomic: bool) -> Self {
        let file = folder.join("index.js");
        let saved = Self {
            file,
            atomic,
            number: Cell::new(0),
        };
        saved.save();
        saved
    }

    /// Saves the next number.
    fn save(&self) -> usize {
        let number = self.number.get() + 1;
        self.number.set(number);
        let code = format!("exports.hello = (req, res) => res.send('{number}');\n");
        if self.atomic {
            let folder = self.file.parent().expect("it is in a folder");
            let mut beside = tempfile::NamedTempFile::new_in(folder).expect("a file can be made");
            beside
                .write_all(code.as_bytes())
                .expect("it can be written");
            beside.persist(&self.file).expect("it can be renamed");
        } else {
            std::fs::write(&self.file, code).expect("the file can be written");
        }
        number
    }
}

/// Asks one request after another on a kept connection, over and over.
struct Prober {
    port: u16,
    connection: Option<Connection>,
    /// Requests that came to nothing, or to another status than 200.
    failed: usize,
}

impl Prober {
    fn new(port: u16) -> Self {
        Self {
            port,
            connection: None,
            failed: 0,
        }
    }

    /// Returns the function's answer. `None` if there is none.
    async fn ask(&mut self) -> Option<usize> {
        let answered = match self.connection.take() {
            Some(kept) => Self::on(kept).await,
            None => match Connection::open(self.port).await {
                Ok(fresh) => Self::on(fresh).await,
                Err(_) => None,
            },
        };
        match answered {
            Some((number, connection)) => {
                self.connection = Some(connection);
                Some(number)
            }
            None => {
                self.failed += 1;
                None
            }
        }
    }

    async fn on(mut connection: Connection) -> Option<(usize, Connection)> {
        let answer = connection.get("/hello").await.ok()?;
        let number = answer.body.parse().ok().filter(|_| answer.status == 200)?;
        Some((number, connection))
    }

    /// From saving to the first answer that is new, in milliseconds.
    async fn save(&mut self, file: &Saved) -> f64 {
        let began = Instant::now();
        let number = file.save();
        while self.ask().await != Some(number) {
            assert!(began.elapsed() < PATIENCE, "save {number} is never served");
            if self.connection.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        millis(began.elapsed())
    }
}

/// Rounds of ours and theirs by turns, so that the machine's moods hit both.
async fn one_by_one(root: &Path, dev: &Dev, file: &Saved, figures: &mut Map<String, Value>) {
    let engine = Engine::connect();
    let theirs = root.join("theirs");
    std::fs::create_dir(&theirs).expect("the folder can be made");
    let their_file = Saved::new(&theirs, false);
    let image = engine.image_of(root).await;
    let plain = Plain {
        image: &image,
        code: &theirs,
        command: Some(&WATCHING),
    };
    let port = free_ports(1)[0];
    let (id, _) = engine.up(&plain, port, "/hello").await;
    let (mut our_prober, mut their_prober) = (Prober::new(dev.port), Prober::new(port));
    our_prober.ask().await.expect("the function answers");
    let (mut ours, mut watch) = (Vec::new(), Vec::new());
    for _ in 0..SAVES {
        dev.until("a spare", |node| {
            node["packages"][0]["spares"].as_u64() >= Some(1)
        })
        .await;
        engine.quiet(root).await;
        ours.push(our_prober.save(file).await);
        tokio::time::sleep(DIGEST).await;
        watch.push(their_prober.save(&their_file).await);
    }
    engine.remove(&id).await;
    println!("from a save to the first new answer");
    times("fnlocal", &ours);
    times("node --watch in a container", &watch);
    println!(
        "  requests failed meanwhile: {} of fnlocal's, {} of the other's",
        our_prober.failed, their_prober.failed
    );
    let p50 = median(ours.clone());
    let value = p50 / median(watch.clone());
    ratio("save to answer, p50, ours / node --watch", value, "<= 0.15");
    ratio("save to answer, p50, ms", p50, "<= 40");
    figures.insert("ours_ms".to_owned(), spread(&ours));
    figures.insert("node_watch_ms".to_owned(), spread(&watch));
    figures.insert("node_watch_failed".to_owned(), their_prober.failed.into());
    figures.insert("ratio".to_owned(), value.into());
}

/// The experience of a loaded function's clients.
#[derive(Default)]
struct Seen {
    requests: Cell<usize>,
    failed: Cell<usize>,
    /// Requests sent after the new code had answered somebody, but answered by old code.
    stale: Cell<usize>,
    newest: Cell<usize>,
    over: Cell<bool>,
    times: RefCell<Vec<f64>>,
}

async fn under_load(dev: &Dev, file: &Saved, figures: &mut Map<String, Value>) {
    let seen = Seen::default();
    let clients = join_all((0..CONNECTIONS).map(|_| client(dev.port, &seen)));
    let saves = async {
        for _ in 0..LOADED_SAVES {
            let began = Instant::now();
            let number = file.save();
            while seen.newest.get() < number {
                assert!(began.elapsed() < PATIENCE, "save {number} is never served");
                tokio::time::sleep(PAUSE).await;
            }
            seen.times.borrow_mut().push(millis(began.elapsed()));
        }
        seen.over.set(true);
    };
    tokio::join!(clients, saves);
    let ms = seen.times.take();
    println!("{LOADED_SAVES} saves, one upon the other, while {CONNECTIONS} connections ask");
    times("fnlocal", &ms);
    println!(
        "  {} requests, {} of them stale",
        seen.requests.get(),
        seen.stale.get()
    );
    #[allow(clippy::cast_precision_loss, reason = "a count of a few thousand")]
    ratio("requests failed", seen.failed.get() as f64, "= 0");
    figures.insert(
        "loaded".to_owned(),
        json!({
            "ms": spread(&ms),
            "saves": LOADED_SAVES,
            "requests": seen.requests.get(),
            "failed": seen.failed.get(),
            "stale": seen.stale.get(),
        }),
    );
}

async fn client(port: u16, seen: &Seen) {
    let mut prober = Prober::new(port);
    while !seen.over.get() {
        let newest = seen.newest.get();
        let answered = prober.ask().await;
        seen.requests.set(seen.requests.get() + 1);
        match answered {
            None => seen.failed.set(seen.failed.get() + 1),
            Some(number) if number < newest => seen.stale.set(seen.stale.get() + 1),
            Some(number) => seen.newest.set(seen.newest.get().max(number)),
        }
        tokio::time::sleep(BREATH).await;
    }
}
