//! Counts, as the reference parser of OpenMetrics reads them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Prints each sample as JSON. The parser is strict: families that repeat, labels that are not
/// escaped and samples that are not of their family's kind are errors.
const SCRIPT: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
text = sys.stdin.buffer.read().decode('utf-8')
samples = [sample for family in parse(text) for sample in family.samples]
print(json.dumps([{'name': one.name, 'labels': one.labels, 'value': one.value} for one in samples]))
";

/// A number with its labels.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Reads what was scraped.
pub fn samples(text: &str) -> Vec<Sample> {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|folder| folder.join("Cargo.lock").exists());
    let root = root.expect("the workspace has a lock file");
    let mut python = Command::new(root.join("target/tools/metrics/bin/python"))
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(".ci/tools installs the parser");
    let mut input = python.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let read = python.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{why}\nin {text}");
    serde_json::from_slice(&read.stdout).unwrap()
}
