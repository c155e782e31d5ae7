use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Dev, Folder, PATIENCE};

fn source(answer: &str) -> String {
    format!(
        "exports.add = {{
  func: (req, res) => {{
    const sum = Number(req.query.a) + Number(req.query.b);
    res.send(`{answer} ${{sum}}`);
  }},
  config: {{ timeout: 500 }},
}};\n"
    )
}

/// A debugger.
struct Debugger {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
    /// URLs of scripts, by id.
    scripts: BTreeMap<String, String>,
}

impl Debugger {
    async fn attach(port: u16) -> Self {
        let list: Value = get(port, "/json/list").await;
        let url = list[0]["webSocketDebuggerUrl"].as_str().unwrap();
        assert!(url.starts_with(&format!("ws://127.0.0.1:{port}/")), "{url}");
        let (socket, _) = connect_async(url).await.unwrap();
        let mut debugger = Self {
            socket,
            next: 1,
            scripts: BTreeMap::new(),
        };
        debugger.call("Debugger.enable", json!({})).await;
        debugger
            .call("Runtime.runIfWaitingForDebugger", json!({}))
            .await;
        debugger
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let message = json!({"id": id, "method": method, "params": params});
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        let answer = self.until(method, |message| message["id"] == id).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let message = self.socket.next().await.unwrap().unwrap();
                if let Message::Text(text) = message {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["method"] == "Debugger.scriptParsed" {
                        let script = &message["params"];
                        let id = script["scriptId"].as_str().unwrap().to_owned();
                        let url = script["url"].as_str().unwrap().to_owned();
                        self.scripts.insert(id, url);
                    }
                    if wanted(&message) {
                        return message;
                    }
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("no {what} came"))
    }

    /// Breaks where the sum is known. The debugger reports the place.
    async fn break_at_the_answer(&mut self, folder: &Folder) -> Value {
        let file = folder.path().canonicalize().unwrap().join("index.js");
        let url = format!("file://{}", file.display());
        let place = json!({"url": url, "lineNumber": 3, "columnNumber": 0});
        let set = self.call("Debugger.setBreakpointByUrl", place).await;
        assert_eq!(set["locations"].as_array().unwrap().len(), 1, "{set}");
        set
    }

    async fn paused(&mut self) -> Value {
        let paused = self
            .until("pause", |message| message["method"] == "Debugger.paused")
            .await;
        paused["params"]["callFrames"][0].clone()
    }

    /// The file where the function stands.
    fn file(&self, frame: &Value) -> String {
        let script = frame["location"]["scriptId"].as_str().unwrap();
        self.scripts[script].clone()
    }

    /// Looks at something where the function stands.
    async fn evaluate(&mut self, frame: &Value, expression: &str) -> Value {
        let at = json!({"callFrameId": frame["callFrameId"], "expression": expression});
        let result = self.call("Debugger.evaluateOnCallFrame", at).await;
        result["result"]["value"].clone()
    }

    /// Waits until the other side ends it.
    async fn ended(mut self) {
        let ending = async { while let Some(Ok(_)) = self.socket.next().await {} };
        tokio::time::timeout(PATIENCE, ending).await.unwrap();
    }
}

async fn get(port: u16, path: &str) -> Value {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}"))
        .await
        .unwrap();
    answer.json().await.unwrap()
}

fn port_of(dev: &Dev) -> u16 {
    let said = dev.seen.iter().filter_map(|record| record["text"].as_str());
    let mut said = said.filter(|text| text.starts_with("debuggers of add attach to"));
    let line = said.next();
    line.unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

async fn debugged(runtime: &str) {
    let folder = Folder::new(&[("index.js", &source("the sum is"))]);
    let mut dev = Dev::start_with(&folder, &["--runtime", runtime, "--inspect", "add=0"]);
    let port = port_of(&dev);
    let version: Value = get(port, "/json/version").await;
    assert!(
        version["Browser"].as_str().unwrap().starts_with("node.js/"),
        "{version}"
    );
    let mut debugger = Debugger::attach(port).await;
    let two = debugger
        .call("Runtime.evaluate", json!({"expression": "1 + 1"}))
        .await;
    assert_eq!(two["result"]["value"], 2);
    debugger.break_at_the_answer(&folder).await;
    let answer = tokio::spawn(reqwest::get(dev.at("/add?a=2&b=3")));
    let frame = debugger.paused().await;
    let file = debugger.file(&frame);
    assert!(
        file.ends_with("/index.js") && !file.contains(".fnlocal"),
        "{file}"
    );
    assert_eq!(debugger.evaluate(&frame, "sum").await, 5);
    // Longer than the function's timeout.
    let wait = "const end = Date.now() + 1200; while (Date.now() < end); 'looked'";
    assert_eq!(debugger.evaluate(&frame, wait).await, "looked");
    debugger.call("Debugger.resume", json!({})).await;
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap()),
        (200, "the sum is 5".into())
    );

    folder.write("index.js", &source("now it is"));
    dev.wait_reloaded("add");
    debugger.ended().await;
    let mut debugger = Debugger::attach(port).await;
    debugger.break_at_the_answer(&folder).await;
    let answer = tokio::spawn(reqwest::get(dev.at("/add?a=4&b=5")));
    let frame = debugger.paused().await;
    assert_eq!(
        debugger.file(&frame),
        file,
        "the same file, before and after"
    );
    assert_eq!(debugger.evaluate(&frame, "sum").await, 9);
    debugger.call("Debugger.resume", json!({})).await;
    assert_eq!(
        answer.await.unwrap().unwrap().text().await.unwrap(),
        "now it is 9"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breakpoint_in_a_container_survives_a_reload_and_suspends_the_timeout() {
    debugged("docker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_keeps_its_debugger_port_across_reloads() {
    debugged("process").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_debugger_the_timeout_applies_and_an_unknown_url_cannot_attach() {
    let source = "exports.add = { func: () => new Promise(() => {}), config: { timeout: 200 } };";
    let folder = Folder::new(&[("index.js", source)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process", "--inspect", "add=0"]);
    let answer = tokio::time::timeout(Duration::from_secs(30), reqwest::get(dev.at("/add")));
    assert_eq!(answer.await.unwrap().unwrap().status(), 504);
    let port = port_of(&dev);
    assert!(
        connect_async(format!("ws://127.0.0.1:{port}/guessed"))
            .await
            .is_err()
    );
    let rebound = reqwest::Client::new().get(format!("http://127.0.0.1:{port}/json/list"));
    let answer = rebound.header("host", "evil.example").send().await.unwrap();
    assert_eq!(answer.status(), 403);
}
