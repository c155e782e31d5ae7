//! The facts about the container engine in a bug report: nothing that names a machine, a person or a
//! proxy.

use serde::Serialize;

use fnlocal_engine::connect::{EngineVariables, connect};

/// The container engine and the system it runs on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EngineFacts {
    version: String,
    api: String,
    rootless: bool,
    selinux: bool,
    shares_sockets: bool,
    system: Option<String>,
    kernel: Option<String>,
    architecture: Option<String>,
    cpus: Option<i64>,
    memory_bytes: Option<i64>,
    storage: Option<String>,
    cgroups: Option<String>,
    containers_running: Option<i64>,
}

/// Asks the engine; `None` if none answers, which [`super::examine`] explains.
pub async fn engine_facts() -> Option<EngineFacts> {
    let engine = connect(&EngineVariables::from_env()).await.ok()?;
    let info = engine.docker.info().await.ok()?;
    Some(EngineFacts {
        api: engine.docker.client_version().to_string(),
        version: engine.title,
        rootless: engine.rootless,
        selinux: engine.selinux,
        shares_sockets: engine.shares_sockets,
        system: info.operating_system,
        kernel: info.kernel_version,
        architecture: info.architecture,
        cpus: info.ncpu,
        memory_bytes: info.mem_total,
        storage: info.driver,
        cgroups: info.cgroup_version.map(|version| version.to_string()),
        containers_running: info.containers_running,
    })
}
