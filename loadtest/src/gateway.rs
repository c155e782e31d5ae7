//! The gateway's own reports: instances, queues, and how requests ended.

use fnlocal_api::headers as api_headers;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use fnlocal_core::view::InstancesView;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::{Deserialize, Serialize};

use crate::connect::Connector;

/// Time the gateway may take to answer about itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a report: thousands of functions.
const LARGEST: usize = 16 << 20;

/// A gateway's picture of itself, or of the fleet it stands in front of, as far as it is used here.
#[derive(Clone, Debug, Default)]
pub struct PlatformView {
    nodes: Vec<GatewayView>,
    counts: Vec<GatewayCount>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GatewayPicture {
    Node(GatewayView),
    Fleet {
        nodes: BTreeMap<String, FleetMember>,
        /// Of which no node tells.
        #[serde(default)]
        ended: Vec<GatewayCount>,
    },
}

/// A node of a fleet; without a picture until it has booted.
#[derive(Deserialize)]
struct FleetMember {
    picture: Option<GatewayView>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct GatewayView {
    functions: BTreeMap<String, String>,
    node: NodePicture,
    #[serde(default)]
    requests: Vec<GatewayCount>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NodePicture {
    instances: u32,
    packages: Vec<PackagePicture>,
    functions: Vec<FunctionPicture>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PackagePicture {
    package: u32,
    spares: u32,
    spares_paused: u32,
    #[serde(default)]
    priming: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct FunctionPicture {
    function: u32,
    package: u32,
    queued: u32,
    running: u32,
    instances: InstancesView,
}

/// Requests of one function that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GatewayCount {
    /// The function's name.
    pub function: Option<String>,
    /// The start kind; `None` if no instance answered.
    pub start: Option<String>,
    /// Their status; 0 where none was sent.
    pub status: u16,
    /// The platform's reason, where it answered or ended them.
    pub problem: Option<String>,
    /// How many.
    pub requests: u64,
}

/// The gateway at a moment of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewaySample {
    /// When, in milliseconds from the beginning of the run.
    pub at_ms: u64,
    /// InstancesView of the functions by state.
    pub instances: InstancesView,
    /// Spares of the packages.
    pub spares: u32,
    /// All instances, whatever their state.
    pub all: u32,
    /// Requests that wait.
    pub queued: u32,
    /// Requests that run.
    pub running: u32,
    /// Requests the platform refused, since the run began.
    pub refused: u64,
}

impl<'de> Deserialize<'de> for PlatformView {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (nodes, ended): (Vec<GatewayView>, _) = match GatewayPicture::deserialize(from)? {
            GatewayPicture::Node(node) => (vec![node], Vec::new()),
            GatewayPicture::Fleet { nodes, ended } => {
                let there = nodes.into_values().filter_map(|one| one.picture);
                (there.collect(), ended)
            }
        };
        let mut sums: BTreeMap<GatewayCount, u64> = BTreeMap::new();
        let there = nodes.iter().flat_map(|node| &node.requests);
        for count in there.chain(&ended) {
            let key = GatewayCount {
                requests: 0,
                ..count.clone()
            };
            *sums.entry(key).or_default() += count.requests;
        }
        let counts = sums.into_iter();
        let counts = counts.map(|(key, requests)| GatewayCount { requests, ..key });
        Ok(Self {
            counts: counts.collect(),
            nodes,
        })
    }
}

impl PlatformView {
    /// Names of the functions.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = self.nodes.iter().flat_map(|node| node.functions.values());
        let names: BTreeSet<&String> = names.collect();
        names.into_iter().cloned().collect()
    }

    /// How requests ended since the gateway, or the nodes there are, began.
    #[must_use]
    pub fn counts(&self) -> &[GatewayCount] {
        &self.counts
    }

    /// The moment's figures.
    #[must_use]
    pub fn sample(&self, at: Duration, refused_before: u64) -> GatewaySample {
        let mut sample = GatewaySample {
            at_ms: at.as_millis() as u64,
            all: self.nodes.iter().map(|one| one.node.instances).sum(),
            ..GatewaySample::default()
        };
        for function in self.nodes.iter().flat_map(|one| &one.node.functions) {
            sample.instances += function.instances;
            sample.queued += function.queued;
            sample.running += function.running;
        }
        let spares = self.nodes.iter().flat_map(|one| &one.node.packages);
        sample.spares = spares.map(|one| one.spares + one.spares_paused).sum();
        // Another run counts from zero.
        sample.refused = self.refused().saturating_sub(refused_before);
        sample
    }

    /// Requests the platform refused since it began.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let refused = |count: &&GatewayCount| count.start.is_none() && count.status >= 400;
        let counts = self.counts.iter().filter(refused);
        counts.map(|count| count.requests).sum()
    }

    /// Returns whether a function's next request would find no ready instance.
    #[must_use]
    pub fn is_cold(&self, name: &str) -> bool {
        self.nodes.iter().all(|node| node.is_cold(name))
    }
}

impl GatewayView {
    fn is_cold(&self, name: &str) -> bool {
        let number = self.functions.iter().find(|(_, known)| *known == name);
        let number = number.and_then(|(number, _)| number.parse::<u32>().ok());
        let function = self
            .node
            .functions
            .iter()
            .find(|one| Some(one.function) == number);
        let Some(function) = function else {
            return false;
        };
        let instances = function.instances == InstancesView::default();
        let mut packages = self.node.packages.iter();
        let package = packages.find(|one| one.package == function.package);
        instances && package.is_none_or(|one| one.spares + one.spares_paused == 0 && !one.priming)
    }
}

/// Asks a gateway about itself. Must run inside a `LocalSet`.
#[derive(Clone)]
pub struct GatewayClient {
    connector: Connector,
}

impl GatewayClient {
    /// The gateway at the end of a connector, if one answers there.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector }
    }

    /// Its picture; none when what answers is no fnlocal, or does not let us see.
    pub async fn view(&self) -> Option<PlatformView> {
        let (status, body) = self.ask(Method::GET, "/_fnlocal/view").await?;
        (status == StatusCode::OK)
            .then(|| serde_json::from_slice(&body).ok())
            .flatten()
    }

    /// Has it stop what a function's next request could be given; the status it answers with.
    pub async fn chill(&self, function: &str) -> Option<StatusCode> {
        let path = format!("/_fnlocal/cold?function={function}");
        Some(self.ask(Method::POST, &path).await?.0)
    }

    async fn ask(&self, method: Method, path: &str) -> Option<(StatusCode, Bytes)> {
        let target = self.connector.target();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, target.authority());
        if let Some(token) = &target.token {
            request = request.header(api_headers::TOKEN, token);
        }
        let request = request.body(Full::new(Bytes::new())).ok()?;
        let exchange = async {
            let mut connection = self.connector.connect().await.ok()?;
            let response = connection.send_request(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            Some((status, body.ok()?.to_bytes()))
        };
        tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.ok()?
    }
}
