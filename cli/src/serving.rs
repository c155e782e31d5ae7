//! Common parts of `dev` and `up`: a printer, Ctrl-C, and the table at the start.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;

use fnlocal_api::Exit;
use fnlocal_emulator::serve::{StartupSummary, Stop};
use fnlocal_logs::Record;
use fnlocal_project::TimeSpan;

use crate::error::{CliError, CommandResult};
use crate::lines::{column_width, millis};
use crate::printer::{self, PrintStyle};
use crate::terminal;
use crate::wait;

/// Serves until Ctrl-C.
pub fn serve(
    style: PrintStyle,
    serving: impl AsyncFnOnce(SyncSender<Vec<Record>>, Stop) -> CommandResult,
) -> CommandResult {
    raise_open_files();
    let (sink, printing) = printer::start(style).map_err(CliError::failed)?;
    // One thread owns the core, the instances' connections and the requests: see ARCHITECTURE.md.
    let outcome = wait::until_done(async {
        let stop = Stop::default();
        let interrupted = tokio::task::spawn_local(interrupts(stop.clone()));
        let outcome = serving(sink, stop).await;
        interrupted.abort();
        outcome
    });
    let printed = printing.join().is_ok();
    match outcome?? {
        Exit::Ok if !printed => Ok(Exit::Bug),
        exit => Ok(exit),
    }
}

/// Every connection is an open file, and many systems begin with 1,024. Fewer than there could be
/// is no reason not to start: the gateway says so when it runs out.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _refused = setrlimit(Resource::Nofile, raised);
}

/// The first Ctrl-C, or a request to terminate, lets requests finish; the second ends at once.
///
/// The third does not wait for the engine either: what is left behind is removed by the next run.
async fn interrupts(stop: Stop) {
    let Ok(mut signals) = Signals::new() else {
        return;
    };
    signals.next().await;
    stop.gently.cancel();
    say("stopping; Ctrl-C again ends at once");
    signals.next().await;
    stop.now.cancel();
    signals.next().await;
    std::process::exit(Exit::Interrupted as i32);
}

/// Ready at the first Ctrl-C or request to terminate.
pub async fn interrupted() {
    if let Ok(mut signals) = Signals::new() {
        signals.next().await;
    }
}

/// A terminal that is gone is no reason to panic.
fn say(text: &str) {
    terminal::eprintln!("{text}");
}

/// Ctrl-C, a request to terminate, a terminal that was closed. Listened to from the start, so that
/// none is lost between two.
struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Says what is served: a table for people, a record for machines.
pub fn announce(ready: &StartupSummary, json: bool) {
    if json {
        let functions: Vec<_> = ready
            .functions
            .iter()
            .map(|function| {
                serde_json::json!({
                    "name": function.name,
                    "url": url(ready.address, &function.name),
                    "signature": function.settings.signature,
                    "broken": function.failure.borrow().is_some(),
                })
            })
            .collect();
        let line = serde_json::json!({
            "event": "ready",
            "url": format!("http://{}", ready.address),
            "platform": format!("http://{}", ready.platform),
            "dashboard": url(ready.platform, "_fnlocal/"),
            "runtime": ready.runtime,
            "took_ms": ready.took.as_millis(),
            "functions": functions,
        });
        terminal::print_json(&line);
        return;
    }
    terminal::eprint!("{}", table(ready));
}

fn table(ready: &StartupSummary) -> String {
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    let red = anstyle::AnsiColor::Red.on_default();
    let width = column_width(ready.functions.iter().map(|f| f.name.len()));
    let mut text = format!(
        "\n{bold}fnlocal {}{bold:#} {dim}ready in {}, {}{dim:#}\n\n",
        env!("CARGO_PKG_VERSION"),
        millis(ready.took),
        ready.runtime
    );
    for function in &ready.functions {
        let limits = &function.settings.limits;
        let state = match &*function.failure.borrow() {
            Some(_) => format!("{red}broken{red:#}"),
            None => format!(
                "{dim}{}, {} MB, {} timeout, up to {} instances{dim:#}",
                function.settings.signature.word(),
                limits.memory_mib,
                TimeSpan(limits.timeout),
                limits.max_instances
            ),
        };
        let url = url(ready.address, &function.name);
        let _infallible = writeln!(
            text,
            "  {bold}{:width$}{bold:#}  {url}  {state}",
            function.name
        );
    }
    if ready.functions.is_empty() {
        let _infallible = writeln!(text, "  {red}no function can be served yet{red:#}");
    }
    let _infallible = writeln!(
        text,
        "\n  {dim}dashboard  {}  `fnlocal open` opens it{dim:#}\n",
        url(ready.platform, "_fnlocal/")
    );
    text
}

fn url(address: SocketAddr, name: &str) -> String {
    let host = if address.ip().is_loopback() {
        "localhost".to_owned()
    } else {
        address.ip().to_string()
    };
    format!("http://{host}:{}/{name}", address.port())
}
