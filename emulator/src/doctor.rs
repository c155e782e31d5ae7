//! `fnlocal doctor`: looks at what fnlocal needs of this machine, and says how to mend it.

mod disk;
mod engine;

pub use engine::{EngineFacts, engine_facts};

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use fnlocal_api::UserError;
use serde::Serialize;

use crate::serve::PORT;
use fnlocal_engine::connect::{EngineVariables, connect};
use fnlocal_image::base;
use fnlocal_image::build::known_base;
use fnlocal_project::{Project, Running};

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The checked thing.
    pub what: &'static str,
    /// How it is.
    pub state: FindingState,
    /// The finding.
    pub found: String,
    /// How to mend it.
    pub fix: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// Something will not work, or not as well.
    Odd,
    /// Nothing will work.
    Bad,
}

impl Finding {
    /// Something as it should be.
    #[must_use]
    pub fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            state: FindingState::Good,
            found: found.into(),
            fix: None,
        }
    }

    /// The same, not as it should be, with what mends it.
    #[must_use]
    pub fn not(self, state: FindingState, fix: impl Into<String>) -> Self {
        Self {
            state,
            fix: Some(fix.into()),
            ..self
        }
    }
}

/// Looks at everything. A folder that is no project is one of the findings.
pub async fn examine(path: &Path) -> Vec<Finding> {
    let project = Project::open(path, None);
    let mut findings = vec![match &project {
        Ok(project) => {
            let count = project.packages.len();
            let packages = if count == 1 { "package" } else { "packages" };
            Finding::good("project", format!("{} ({count} {packages})", project.name))
        }
        Err(error) => Finding::good("project", error.to_string())
            .not(FindingState::Odd, error.hint().unwrap_or_default()),
    }];
    let project = project.ok();
    let node = node().await;
    let has_node = node.state != FindingState::Bad;
    findings.extend(engine(project.as_ref(), has_node).await);
    findings.push(node);
    findings.push(port(project.as_ref()).await);
    let folder = project.map_or_else(|| path.to_owned(), |project| project.root);
    let fix = "`fnlocal clean --dry-run` lists what fnlocal keeps here";
    findings.extend(disk::examine("disk", &folder, fix));
    findings
}

/// The engine, its control groups, and the base that instances stand on.
async fn engine(project: Option<&Project>, has_node: bool) -> Vec<Finding> {
    let engine = match connect(&EngineVariables::from_env()).await {
        Ok(engine) => engine,
        Err(error) => {
            // Plain processes will do where there is a node to run them.
            let state = if has_node {
                FindingState::Odd
            } else {
                FindingState::Bad
            };
            let finding = Finding::good("docker", error.to_string());
            return vec![finding.not(state, error.hint().unwrap_or_default())];
        }
    };
    let api = engine.docker.client_version();
    let text = format!("{} at {}, API {api}", engine.title, engine.address);
    let mut findings = vec![Finding::good("docker", text)];
    if let Ok(info) = engine.docker.info().await {
        let version = info
            .cgroup_version
            .map_or_else(|| "unknown".to_owned(), |version| version.to_string());
        findings.push(Finding::good("cgroups", format!("version {version}")));
        let root = info.docker_root_dir.filter(|_| engine.shares_sockets);
        let fix = "`docker system df` shows what fills it; `docker builder prune` frees some";
        findings
            .extend(root.and_then(|root| disk::examine("docker's disk", Path::new(&root), fix)));
    }
    if !engine.shares_sockets {
        let text = "runs in a machine of its own: functions are reached by ports";
        findings.push(Finding::good("sockets", text));
    }
    let wanted = project.and_then(|project| project.config().build.base_image.as_deref());
    let name = wanted.unwrap_or(base::DEFAULT);
    let state = project.map(Project::state).unwrap_or_default();
    let here = base::inspect(&engine.docker, name).await;
    findings.push(match (here, known_base(&state, wanted)) {
        (Ok(Some(_)), _) => Finding::good("base image", name),
        (_, Some(origin)) if origin == name => Finding::good("base image", name),
        (_, Some(origin)) => Finding::good("base image", format!("{origin}, in place of {name}"))
            .not(
                FindingState::Odd,
                format!("docker pull {name}, where the network allows it"),
            ),
        (_, None) => Finding::good(
            "base image",
            format!("{name}, not needed yet: pulled, or made from this machine's node"),
        ),
    });
    findings
}

async fn node() -> Finding {
    let found = fnlocal_project::programs::find("node");
    let asked = tokio::process::Command::new(found.unwrap_or_default())
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .output()
        .await;
    let version = asked
        .ok()
        .filter(|asked| asked.status.success())
        .map(|asked| String::from_utf8_lossy(&asked.stdout).trim().to_owned());
    let Some(version) = version else {
        return Finding::good("node", "none in PATH").not(
            FindingState::Bad,
            "install Node.js: without Docker it runs the functions, and with it a base can be made of it",
        );
    };
    Finding::good("node", version)
}

async fn port(project: Option<&Project>) -> Finding {
    let port = project
        .and_then(|project| project.config().dev.port)
        .unwrap_or(PORT);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Err(error) = tokio::net::TcpListener::bind(address).await else {
        return Finding::good("port", format!("{port} is free"));
    };
    let own = project.and_then(|project| Running::find(&project.root).ok());
    if let Some(own) = own
        && own.url.ends_with(&format!(":{port}"))
    {
        let text = format!("{port} is this project's own fnlocal, process {}", own.pid);
        return Finding::good("port", text);
    }
    Finding::good("port", format!("{port}: {error}")).not(
        FindingState::Odd,
        format!(
            "end what listens there (`ss -ltnp 'sport = :{port}'` or `lsof -i :{port}` names it), \
             or take another with --port"
        ),
    )
}
