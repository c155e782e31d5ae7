//! `/_fnlocal/events` as it comes.

use fnlocal_api::headers as api_headers;
use std::collections::BTreeMap;

use fnlocal_driver::Count;
use fnlocal_project::Running;
use serde::Deserialize;

use crate::running::{AskError, RunningNode, silent};

/// The maximum size of one event in bytes: thousands of functions.
const LARGEST: usize = 32 << 20;

/// Something told.
#[derive(Debug)]
pub enum StreamEvent {
    /// The state of the nodes.
    State(Box<ShownState>),
    /// Records added to the log.
    Records(ShownRecords),
}

/// The state of the nodes at a moment.
#[derive(Debug, Deserialize)]
pub struct ShownState {
    /// Milliseconds since 1970.
    pub at: u64,
    /// Nodes by name.
    pub nodes: BTreeMap<String, RunningNode>,
    /// `None` if there is one node.
    pub fleet: Option<ShownFleet>,
    /// Of the last second, by function; of all under an empty name.
    pub latency: BTreeMap<String, ShownQuantiles>,
}

/// The state of a fleet, as far as it is shown.
#[derive(Debug, Deserialize)]
pub struct ShownFleet {
    /// How requests ended of which no node tells.
    pub ended: Vec<Count>,
}

/// How long requests took, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ShownQuantiles {
    /// Half of them.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
}

/// Records added to the log.
#[derive(Debug, Deserialize)]
pub struct ShownRecords {
    /// The oldest first.
    pub records: Vec<ShownRecord>,
}

/// A record of the log, as far as it is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ShownRecord {
    /// `invocation`, `line` or `platform`.
    pub kind: String,
    pub time: String,
    pub function: Option<String>,
    /// Of a request.
    pub method: String,
    /// Of a request.
    pub path: String,
    /// Of a request.
    pub status: u16,
    /// Of a request: what it waited for.
    pub start: Option<String>,
    /// Of a request: why it was cut short or refused.
    pub problem: Option<String>,
    /// Of a request.
    pub duration_ms: f64,
    /// Of a line: which it was written to.
    pub stream: String,
    /// Of a line.
    pub text: String,
}

/// The events of a running fnlocal.
pub struct Stream {
    response: reqwest::Response,
    begun: Vec<u8>,
}

impl Stream {
    /// Begins.
    ///
    /// # Errors
    /// Opens the stream. Fails if fnlocal does not answer with events.
    pub async fn open(client: &reqwest::Client, running: &Running) -> Result<Self, AskError> {
        let path = "/_fnlocal/events";
        let asked = client
            .get(format!("{}{path}", running.platform))
            .header(api_headers::TOKEN, &running.token)
            .send()
            .await;
        let response = asked.map_err(|error| silent(running, error))?;
        if response.status() != http::StatusCode::OK {
            return Err(AskError::Odd {
                url: running.platform.clone(),
                path: path.to_owned(),
                status: response.status(),
            });
        }
        Ok(Self {
            response,
            begun: Vec::new(),
        })
    }

    /// The next that is shown; none when there will be no more.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            while let Some(event) = self.cut() {
                if let Some(told) = parse(&event) {
                    return Some(told);
                }
            }
            let more = self.response.chunk().await.ok()??;
            self.begun.extend_from_slice(&more);
            if self.begun.len() > LARGEST {
                return None;
            }
        }
    }

    /// An event that is whole, without the empty line behind it.
    fn cut(&mut self) -> Option<String> {
        let end = self.begun.windows(2).position(|pair| pair == b"\n\n")?;
        let event: Vec<u8> = self.begun.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&event).into_owned())
    }
}

fn parse(event: &str) -> Option<StreamEvent> {
    let field = |name: &str| {
        let mut lines = event.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_start()))
    };
    let data = field("data")?;
    match field("event")? {
        "state" => serde_json::from_str(data).ok().map(StreamEvent::State),
        "records" => serde_json::from_str(data).ok().map(StreamEvent::Records),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_events_are_parsed_and_unknown_ones_are_ignored() {
        let event = "event: records\ndata: {\"skipped\":0,\"records\":[{\"kind\":\"line\",\
                     \"text\":\"hi\"}]}\n\n";
        let Some(StreamEvent::Records(records)) = parse(event) else {
            panic!("no records");
        };
        assert_eq!(records.records[0].text, "hi");
        assert!(parse("event: about\ndata: {}\n\n").is_none());
        assert!(parse(": alive\n\n").is_none());
    }
}
