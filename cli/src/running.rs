//! A running fnlocal, and HTTP to it.

use fnlocal_api::headers as api_headers;
use std::collections::BTreeMap;
use std::time::Duration;

use fnlocal_core::NodeView;
use fnlocal_core::view::{FunctionView, InstancesView};
use fnlocal_driver::Count;
use fnlocal_project::Running;
use serde::Deserialize;

/// Time the platform may take to answer about itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A failure between this command and a running fnlocal.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The running fnlocal does not answer.
    #[error("the fnlocal at {url} does not answer")]
    Silent { url: String, source: reqwest::Error },
    /// The answer is not the expected one.
    #[error("the fnlocal at {url} answers {status} to {path}")]
    Odd {
        url: String,
        /// The path that was asked for.
        path: String,
        /// Its answer.
        status: http::StatusCode,
    },
    /// The thread's own machinery cannot be set up.
    #[error("the HTTP client could not start")]
    Begin(#[from] std::io::Error),
}

fnlocal_api::user_error!(AskError: Unreachable {
    Self::Silent { .. } => "look at the terminal of that fnlocal, or restart it";
    Self::Odd { .. } => "compare its version with that of `fnlocal --version`";
    Self::Begin(_) => "stop other programs: this machine has no threads left";
});

/// A client that goes through no proxy: it only talks to this machine.
pub fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}

/// Runs what talks to it.
pub fn block_on<T>(work: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// Returns `/_fnlocal/view` of one node or of many.
pub async fn view(client: &reqwest::Client, running: &Running) -> Result<RunningView, AskError> {
    let path = "/_fnlocal/view";
    let asked = client
        .get(format!("{}{path}", running.platform))
        .header(api_headers::TOKEN, &running.token)
        .timeout(ANSWER_TIMEOUT)
        .send()
        .await;
    let answer = asked.map_err(|error| silent(running, error))?;
    let status = answer.status();
    let odd = || AskError::Odd {
        url: running.platform.clone(),
        path: path.to_owned(),
        status,
    };
    let text = answer
        .text()
        .await
        .map_err(|error| silent(running, error))?;
    RunningView::parse(&text).ok_or_else(odd)
}

/// Has the function's idle instances stopped; the status it answers with.
pub async fn chill(
    client: &reqwest::Client,
    running: &Running,
    function: &str,
) -> Result<http::StatusCode, AskError> {
    let asked = client
        .post(format!("{}/_fnlocal/cold", running.platform))
        .query(&[("function", function)])
        .header(api_headers::TOKEN, &running.token)
        .timeout(ANSWER_TIMEOUT)
        .send()
        .await;
    Ok(asked.map_err(|error| silent(running, error))?.status())
}

/// Returns the error for a fnlocal that does not answer.
pub fn silent(running: &Running, source: reqwest::Error) -> AskError {
    AskError::Silent {
        url: running.platform.clone(),
        source: source.without_url(),
    }
}

/// The running nodes.
#[derive(Clone, Debug, Default)]
pub struct RunningView {
    /// Nodes by name; one that is still booting has no picture.
    pub nodes: BTreeMap<String, RunningNode>,
    /// The number of nodes that the fleet wants. `None` if there is only one node.
    pub desired: Option<u32>,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub struct RunningNode {
    /// How far it is.
    #[serde(default = "serving")]
    pub stage: String,
    /// The state of the node.
    pub picture: Option<RunningPicture>,
}

/// A node's report of its state.
#[derive(Clone, Debug, Deserialize)]
pub struct RunningPicture {
    /// Functions' names by number.
    pub functions: BTreeMap<String, String>,
    /// The forms of their handlers, by name. A fnlocal of an older version does not say.
    #[serde(default)]
    pub signatures: BTreeMap<String, String>,
    /// The state of the node's core.
    pub node: NodeView,
    /// How requests ended.
    pub requests: Vec<Count>,
}

#[derive(Deserialize)]
struct RunningFleet {
    desired: Option<u32>,
    nodes: BTreeMap<String, RunningNode>,
}

fn serving() -> String {
    "serving".to_owned()
}

impl RunningView {
    /// Reads what one node, or a fleet, answers.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(fleet) = serde_json::from_str::<RunningFleet>(text) {
            return Some(Self {
                nodes: fleet.nodes,
                desired: fleet.desired,
            });
        }
        let picture = serde_json::from_str(text).ok()?;
        let node = RunningNode {
            stage: serving(),
            picture: Some(picture),
        };
        Some(Self {
            nodes: BTreeMap::from([("local".to_owned(), node)]),
            desired: None,
        })
    }

    /// Returns whether a function's next request will find no ready instance on any node.
    pub fn is_cold(&self, name: &str) -> bool {
        let pictures = self.nodes.values().filter_map(|node| node.picture.as_ref());
        pictures.into_iter().all(|picture| picture.is_cold(name))
    }
}

impl RunningPicture {
    /// The functions with their names, by name.
    pub fn named(&self) -> Vec<(&str, &FunctionView)> {
        let name = |one: &FunctionView| self.functions.get(&one.function.0.to_string());
        let functions = self.node.functions.iter();
        let mut named: Vec<_> = functions
            .filter_map(|one| Some((name(one)?.as_str(), one)))
            .collect();
        named.sort_by_key(|&(name, _)| name);
        named
    }

    fn is_cold(&self, name: &str) -> bool {
        let named = self.named();
        let Some((_, function)) = named.into_iter().find(|&(known, _)| known == name) else {
            return true;
        };
        let mut packages = self.node.packages.iter();
        let package = packages.find(|one| one.package == function.package);
        function.instances == InstancesView::default()
            && package.is_none_or(|one| one.spares + one.spares_paused == 0 && !one.priming)
    }
}
