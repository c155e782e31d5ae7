//! Network namespaces made ahead, each in a container that only sleeps.
//!
//! Making one is more than half of a cold start. One belongs to one instance: two would share
//! loopback and abstract sockets. A sandbox is removed with its instance and never used again.

use std::net::{IpAddr, SocketAddr};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, NetworkCreateRequest, PortBinding};

use super::container::PORT;
use crate::RuntimeError;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{created_by_us, hardened};
use fnlocal_engine::error::refused;
use fnlocal_engine::labels::Owner;
use fnlocal_engine::naming;

/// Enough for runc to set the process up, which itself takes half a megabyte.
const MEMORY_MIB: u32 = 32;
/// Threads runc needs while setting up.
const PIDS: i64 = 32;

/// A ready network namespace.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// The container's id.
    pub id: String,
    /// Where its port is published, unless sockets are used.
    pub published: Option<SocketAddr>,
}

/// Makes a network whose members reach the outside but not each other.
pub(crate) async fn network(docker: &Docker, owner: &Owner) -> Result<String, RuntimeError> {
    let request = NetworkCreateRequest {
        name: format!("fnlocal-{}-{}", owner.run, owner.node),
        driver: Some("bridge".to_owned()),
        labels: Some(owner.labels("network", None)),
        options: Some(
            [(
                "com.docker.network.bridge.enable_icc".to_owned(),
                "false".to_owned(),
            )]
            .into_iter()
            .collect(),
        ),
        ..NetworkCreateRequest::default()
    };
    let made = docker
        .create_network(request)
        .await
        .map_err(refused("creating a network"))?;
    Ok(made.id)
}

/// Makes one sandbox; nothing of it remains on failure.
pub(crate) async fn make(
    engine: &Engine,
    owner: &Owner,
    image: &str,
    network: &str,
    publish: bool,
) -> Result<Sandbox, RuntimeError> {
    let docker = &engine.docker;
    let body = body(engine, owner, image, network, publish);
    let id = docker
        .create_container(naming::new(owner, "network"), body)
        .await
        .map_err(refused("creating a network sandbox"))?
        .id;
    let started = async {
        docker
            .start_container(&id, None)
            .await
            .map_err(refused("starting a network sandbox"))?;
        if publish {
            published(docker, &id, engine.host).await.map(Some)
        } else {
            Ok(None)
        }
    };
    match started.await {
        Ok(published) => Ok(Sandbox { id, published }),
        Err(error) => {
            fnlocal_engine::reaper::remove(docker, &id).await;
            Err(error)
        }
    }
}

fn body(
    engine: &Engine,
    owner: &Owner,
    image: &str,
    network: &str,
    publish: bool,
) -> ContainerCreateBody {
    let port = format!("{PORT}/tcp");
    let binding = PortBinding {
        host_ip: Some(engine.host.to_string()),
        host_port: Some("0".to_owned()),
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        user: Some("65534:65534".to_owned()),
        entrypoint: Some(vec!["sleep".to_owned()]),
        cmd: Some(vec!["infinity".to_owned()]),
        // The base image's own health check would run a process in here.
        labels: Some(owner.labels("sandbox", None)),
        exposed_ports: publish.then(|| vec![port.clone()]),
        host_config: Some(HostConfig {
            network_mode: Some(network.to_owned()),
            port_bindings: publish.then(|| [(port, Some(vec![binding]))].into_iter().collect()),
            ..hardened(engine, MEMORY_MIB, PIDS)
        }),
        ..created_by_us()
    }
}

async fn published(docker: &Docker, id: &str, host: IpAddr) -> Result<SocketAddr, RuntimeError> {
    let found = docker
        .inspect_container(id, None)
        .await
        .map_err(refused("inspecting a network sandbox"))?;
    found
        .network_settings
        .and_then(|settings| settings.ports)
        .and_then(|ports| ports.into_values().flatten().flatten().next())
        .and_then(|binding| binding.host_port)
        .and_then(|port| port.parse().ok())
        .map(|port: u16| SocketAddr::new(host, port))
        .ok_or_else(|| RuntimeError::Refused {
            what: "publishing a port",
            why: "the engine tells no port".to_owned(),
        })
}
