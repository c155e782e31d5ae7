//! The records added to the log since the last look.

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::latency::Took;
use fnlocal_logs::cursor::Cursor;

/// Bytes of a look that are taken apart. More of them are counted only: at rates no one can read.
const MAX_PARSED_BYTES: usize = 512 << 10;
/// Requests, and as many other records, that are shown of a look.
const MAX_SHOWN_RECORDS: usize = 60;

/// The end of a log.
#[derive(Debug)]
pub(super) struct LogTail(Cursor);

/// The records that were read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// JSON documents, the oldest first.
    pub records: Vec<String>,
    /// Requests that are not among them.
    pub skipped: u64,
    /// How long requests took, those skipped included as far as they were taken apart.
    pub latencies: Vec<Took>,
}

/// The parts of a record that matter here.
#[derive(Deserialize)]
struct Glance<'a> {
    kind: &'a str,
    function: Option<&'a str>,
    duration_ms: Option<f64>,
}

/// The last of them, in the order they came.
struct Last {
    requests: VecDeque<(usize, String)>,
    others: VecDeque<(usize, String)>,
}

impl LogTail {
    /// The end as it is now; none when the log cannot be read.
    pub async fn at_the_end(folder: PathBuf) -> Option<Self> {
        let end = spawn_blocking(move || Cursor::at_the_end(&folder));
        end.await.ok()?.ok().map(Self)
    }

    /// Returns the added records.
    ///
    /// # Errors
    /// The log cannot be read any more.
    pub fn read(&mut self) -> std::io::Result<Read> {
        let mut read = Read::default();
        let mut last = Last {
            requests: VecDeque::new(),
            others: VecDeque::new(),
        };
        let (mut bytes, mut number) = (0, 0);
        while let Some(line) = self.0.next_line()? {
            bytes += line.len();
            number += 1;
            if bytes > MAX_PARSED_BYTES {
                read.skipped += 1;
                continue;
            }
            // The end of a file may be torn.
            let Ok(glance) = serde_json::from_str::<Glance<'_>>(&line) else {
                continue;
            };
            let list = if glance.kind == "invocation" {
                let function = glance.function.map(str::to_owned);
                let took = glance.duration_ms;
                read.latencies.extend(took.map(|took| (function, took)));
                &mut last.requests
            } else {
                &mut last.others
            };
            list.push_back((number, line));
            if list.len() > MAX_SHOWN_RECORDS {
                list.pop_front();
                read.skipped += 1;
            }
        }
        read.records = last.in_order();
        Ok(read)
    }
}

impl Last {
    fn in_order(self) -> Vec<String> {
        let mut all: Vec<_> = self.requests.into_iter().chain(self.others).collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, line)| line).collect()
    }
}

impl Read {
    /// As one document.
    pub fn json(&self) -> String {
        let records = self.records.iter().map(|line| line.trim_end());
        let records = records.collect::<Vec<_>>().join(",");
        format!(r#"{{"skipped":{},"records":[{records}]}}"#, self.skipped)
    }
}
