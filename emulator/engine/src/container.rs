//! Common settings of every container that fnlocal creates.

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
};

use crate::connect::Engine;
use crate::identity::{own_group, own_id};

/// Covers each folder that a container's image declares as a volume with 1 MiB of memory. The engine
/// would give it a folder of the host's disk instead: without bounds, and with programs and their
/// set-user-id bits in force.
pub async fn cover_volumes(docker: &Docker, mut body: ContainerCreateBody) -> ContainerCreateBody {
    let image = body.image.as_deref().unwrap_or_default();
    // Why an image cannot be looked at, the creation of the container tells.
    let image = docker.inspect_image(image).await.ok();
    let declared = image.and_then(|image| image.config?.volumes);
    let host = body.host_config.get_or_insert_default();
    let mounts = host.mounts.iter().flatten();
    let taken: Vec<String> = mounts.filter_map(|mount| mount.target.clone()).collect();
    let tmpfs = host.tmpfs.get_or_insert_default();
    for folder in declared.into_iter().flatten() {
        if !taken.contains(&folder) {
            let options = || "rw,noexec,nosuid,nodev,size=1m".to_owned();
            tmpfs.entry(folder).or_insert_with(options);
        }
    }
    body
}

/// Returns the settings of every container of ours, apart from its [`HostConfig`].
pub fn created_by_us() -> ContainerCreateBody {
    ContainerCreateBody {
        // Removed by force, it is killed at once: Podman would first wait for it to end by itself.
        stop_timeout: Some(0),
        ..ContainerCreateBody::default()
    }
}

/// Returns the [`HostConfig`] that every container of ours has in common.
pub fn hardened(engine: &Engine, memory_mib: u32, pids: i64) -> HostConfig {
    let memory = i64::from(memory_mib) * 1024 * 1024;
    let mut security = vec!["no-new-privileges".to_owned()];
    if engine.selinux {
        security.push("label=disable".to_owned());
    }
    HostConfig {
        memory: Some(memory),
        memory_swap: Some(memory),
        pids_limit: Some(pids),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(security),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            ..RestartPolicy::default()
        }),
        // Lines are read from the attached stream; kept nowhere else, they cannot fill the disk.
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            ..HostConfigLogConfig::default()
        }),
        ..HostConfig::default()
    }
}

/// Takes a container's network away. Also disabled for the engine, which then makes no network
/// namespace of its own: the runtime's, with nothing but a loopback, starts in half the time.
#[must_use]
pub fn without_network(mut body: ContainerCreateBody) -> ContainerCreateBody {
    body.network_disabled = Some(true);
    body.host_config.get_or_insert_default().network_mode = Some("none".to_owned());
    body
}

/// The person's own ids, so that sockets belong to them; never root.
pub fn user(engine: &Engine) -> String {
    match own_id() {
        // There, 0 inside is the person outside, and any other id is a stranger to both.
        _ if engine.rootless => "0:0".to_owned(),
        0 => "1000:1000".to_owned(),
        id => format!("{id}:{}", own_group()),
    }
}

/// Native addons may be unpacked and loaded there, hence `exec`. The size counts as memory.
pub fn tmpfs<T: FromIterator<(String, String)>>(memory_mib: u32) -> T {
    let options = format!("rw,exec,nosuid,nodev,mode=1777,size={memory_mib}m");
    [("/tmp".to_owned(), options)].into_iter().collect()
}
