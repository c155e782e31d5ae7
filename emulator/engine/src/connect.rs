//! Finding an engine and learning what it can do.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::models::{SystemInfo, SystemVersion};
use sha2::{Digest, Sha256};

/// Oldest API we speak: engine 20.10.
const OLDEST_API: (usize, usize) = (1, 41);
/// For an engine to say who it is.
const HELLO: Duration = Duration::from_secs(5);
/// For any call while instances run. Pulls and builds have their own.
const CALL: Duration = Duration::from_secs(60);

/// The environment's settings for engines; read once, at the edge.
#[derive(Clone, Debug, Default)]
pub struct EngineVariables {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`, or `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
}

impl EngineVariables {
    /// Reads the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = std::env::home_dir();
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: text("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(".docker"))),
            home,
            runtime_dir: text("XDG_RUNTIME_DIR").map(PathBuf::from),
        }
    }
}

/// A container engine that answered.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The client.
    pub docker: Docker,
    /// Where it answers, for people.
    pub address: String,
    /// Its name and version, for people: `Docker 28.0.1`, `Podman 4.3.1`.
    pub title: String,
    /// Unix sockets made in its containers can be used here: it runs on this very system.
    pub shares_sockets: bool,
    /// Folders of this system can be mounted in its containers.
    pub shares_folders: bool,
    /// Where it publishes ports: this machine, or the address of its own.
    pub host: IpAddr,
    /// `true` if the engine runs without root: user 0 in a container is the person outside.
    pub rootless: bool,
    /// `true` if the engine labels processes for SELinux, which would bar the host from the
    /// instances' sockets.
    pub selinux: bool,
}

/// Why no engine can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing answers anywhere.
    #[error("no Docker engine answers (tried {})", tried.join(", "))]
    NotRunning {
        /// Addresses tried.
        tried: Vec<String>,
    },
    /// The socket is there but closed to this user.
    #[error("no permission to use the Docker engine at {address}")]
    NoPermission {
        /// The socket.
        address: String,
    },
    /// The engine's API is too old.
    #[error("the Docker engine at {address} is too old: API {found}, needed 1.41 (engine 20.10)")]
    TooOld {
        /// Where it answers.
        address: String,
        /// Its newest API.
        found: String,
    },
    /// An address of a kind we cannot use.
    #[error("cannot use the Docker engine at {address}: {why}")]
    Unusable {
        /// The address.
        address: String,
        /// Why not.
        why: String,
    },
}

fnlocal_api::user_error!(ConnectError: Unreachable {
    Self::NotRunning { .. } => "start Docker (Linux: sudo systemctl start docker; macOS: open Docker \
        Desktop, OrbStack or Colima), or run without it: --runtime process";
    Self::NoPermission { .. } => "sudo usermod -aG docker $USER, then log in again; or run without \
        Docker: --runtime process";
    Self::TooOld { .. } => "install Docker 20.10 or later";
    Self::Unusable { .. } => "use a local engine: unset DOCKER_HOST, or `docker context use default`";
});

/// Finds an engine: what the environment or Docker's own context names, else the usual sockets.
///
/// # Errors
/// [`ConnectError`]. A named engine that does not answer is an error; no other one is tried then.
pub async fn connect(around: &EngineVariables) -> Result<Engine, ConnectError> {
    if let Some(host) = &around.docker_host {
        return hello(host).await;
    }
    if let Some(host) = context_host(around)? {
        return hello(&host).await;
    }
    let mut tried = Vec::new();
    let mut barred = None;
    for socket in usual_sockets(around) {
        if socket.exists() {
            match hello(&format!("unix://{}", socket.display())).await {
                Ok(engine) => return Ok(engine),
                Err(ConnectError::NotRunning { .. }) => {}
                Err(other) => barred = barred.or(Some(other)),
            }
        }
        tried.push(socket.display().to_string());
    }
    Err(barred.unwrap_or(ConnectError::NotRunning { tried }))
}

/// Sockets of the engines people run, most usual first.
fn usual_sockets(around: &EngineVariables) -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    if let Some(dir) = &around.runtime_dir {
        sockets.push(dir.join("docker.sock"));
    }
    if let Some(home) = &around.home {
        for below in [
            ".docker/run/docker.sock",
            ".docker/desktop/docker.sock",
            ".orbstack/run/docker.sock",
            ".colima/default/docker.sock",
            ".config/colima/default/docker.sock",
            ".rd/docker.sock",
            ".local/share/containers/podman/machine/podman.sock",
        ] {
            sockets.push(home.join(below));
        }
    }
    if let Some(dir) = &around.runtime_dir {
        sockets.push(dir.join("podman/podman.sock"));
    }
    sockets.push(PathBuf::from("/run/podman/podman.sock"));
    sockets
}

/// The address of Docker's active context; `None` for its default one.
fn context_host(around: &EngineVariables) -> Result<Option<String>, ConnectError> {
    let Some(config) = &around.docker_config else {
        return Ok(None);
    };
    let name = around.docker_context.clone().or_else(|| {
        let text = std::fs::read_to_string(config.join("config.json")).ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        json.get("currentContext")?.as_str().map(str::to_owned)
    });
    let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else {
        return Ok(None);
    };
    match context_address(config, &name) {
        Some(host) => Ok(Some(host)),
        None => Err(ConnectError::Unusable {
            address: format!("context {name}"),
            why: "docker knows no such context".to_owned(),
        }),
    }
}

fn context_address(config: &Path, name: &str) -> Option<String> {
    let folder = hex::encode(Sha256::digest(name));
    let meta = config.join("contexts/meta").join(folder).join("meta.json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(meta).ok()?).ok()?;
    json.pointer("/Endpoints/docker/Host")?
        .as_str()
        .map(str::to_owned)
}

async fn hello(address: &str) -> Result<Engine, ConnectError> {
    let unusable = |why: String| ConnectError::Unusable {
        address: address.to_owned(),
        why,
    };
    if address.starts_with("ssh://") {
        return Err(unusable(
            "instances on another machine cannot be reached from here".into(),
        ));
    }
    let client = Docker::connect_with_host(address).map_err(|error| refusal(address, &error))?;
    let silent = || ConnectError::NotRunning {
        tried: vec![address.to_owned()],
    };
    let asked = tokio::time::timeout(HELLO, client.negotiate_version());
    let client = asked
        .await
        .map_err(|_| silent())?
        .map_err(|error| refusal(address, &error))?;
    // The engine's own if that is older than the newest that the client speaks.
    let api = client.client_version();
    // Checked before anything else is asked, which an old engine may not know.
    if (api.major_version, api.minor_version) < OLDEST_API {
        return Err(ConnectError::TooOld {
            address: address.to_owned(),
            found: api.to_string(),
        });
    }
    let asked = async { tokio::try_join!(client.info(), client.version()) };
    let (info, version) = tokio::time::timeout(HELLO, asked)
        .await
        .map_err(|_| silent())?
        .map_err(|error| refusal(address, &error))?;
    let title = title(&version);
    tracing::debug!(title, %api, "a container engine answers");
    let security = info.security_options.clone().unwrap_or_default();
    Ok(Engine {
        docker: client.with_timeout(CALL),
        address: address.to_owned(),
        title,
        shares_sockets: shares_sockets(address, &info),
        shares_folders: true,
        host: host(address).await,
        rootless: security
            .iter()
            .any(|option| option.contains("name=rootless")),
        selinux: security
            .iter()
            .any(|option| option.contains("name=selinux")),
    })
}

/// This machine's loopback address, unless the engine is elsewhere.
async fn host(address: &str) -> IpAddr {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(named) = address.strip_prefix("tcp://") else {
        return here;
    };
    let named = named.trim_end_matches('/');
    let found = tokio::net::lookup_host(named).await;
    let found: Vec<_> = found.into_iter().flatten().map(|one| one.ip()).collect();
    // The engine answered there a moment ago, so there is at least one address.
    let near = found.iter().any(IpAddr::is_loopback);
    let first = found.iter().find(|one| one.is_ipv4()).or(found.first());
    first.filter(|_| !near).copied().unwrap_or(here)
}

fn title(version: &SystemVersion) -> String {
    let mut components = version.components.iter().flatten();
    let is_podman = components.any(|component| component.name.starts_with("Podman"));
    let name = if is_podman { "Podman" } else { "Docker" };
    let number = version.version.as_deref().unwrap_or("of no version");
    format!("{name} {number}")
}

/// On Linux, except for Docker Desktop and the like, whose engine lives in a machine of its own.
fn shares_sockets(address: &str, info: &SystemInfo) -> bool {
    let system = info.operating_system.as_deref().unwrap_or_default();
    cfg!(target_os = "linux")
        && address.starts_with("unix://")
        && !system.contains("Docker Desktop")
        && !system.contains("Rancher Desktop")
        && !address.contains(".colima")
        && !address.contains(".rd/")
}

fn refusal(address: &str, error: &EngineError) -> ConnectError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(layer) = cause {
        if let Some(io) = layer.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::PermissionDenied
        {
            return ConnectError::NoPermission {
                address: address.to_owned(),
            };
        }
        cause = layer.source();
    }
    match error {
        EngineError::DockerResponseServerError { message, .. } => ConnectError::Unusable {
            address: address.to_owned(),
            why: message.clone(),
        },
        EngineError::UnsupportedURISchemeError { .. } => ConnectError::Unusable {
            address: address.to_owned(),
            why: "only unix:// and plain tcp:// addresses are understood".to_owned(),
        },
        _ => ConnectError::NotRunning {
            tried: vec![address.to_owned()],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(config: &Path) -> EngineVariables {
        EngineVariables {
            docker_config: Some(config.to_owned()),
            ..EngineVariables::default()
        }
    }

    #[test]
    fn the_engine_host_is_read_from_the_active_docker_context() {
        let config = tempfile::tempdir().unwrap();
        std::fs::write(
            config.path().join("config.json"),
            r#"{"currentContext":"colima"}"#,
        )
        .unwrap();
        let id = "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16";
        let meta = config.path().join("contexts/meta").join(id);
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///c.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let host = context_host(&around(config.path())).unwrap();
        assert_eq!(host.as_deref(), Some("unix:///c.sock"));
    }

    #[test]
    fn an_unknown_docker_context_is_an_error_that_names_it() {
        let config = tempfile::tempdir().unwrap();
        let around = EngineVariables {
            docker_context: Some("gone".into()),
            ..around(config.path())
        };
        assert!(
            context_host(&around)
                .unwrap_err()
                .to_string()
                .contains("context gone")
        );
    }

    #[tokio::test]
    async fn a_socket_without_listener_is_reported_as_not_running() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("d.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let error = hello(&format!("unix://{}", socket.display()))
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::NotRunning { .. }), "{error}");
    }

    #[tokio::test]
    async fn an_engine_over_ssh_is_refused_with_the_reason() {
        let error = hello("ssh://somewhere").await.unwrap_err();
        assert!(error.to_string().contains("another machine"));
    }
}
