//! The container of an instance: everything off that a function does not need.

use std::path::Path;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{created_by_us, hardened, tmpfs, user};
use fnlocal_engine::labels::Owner;

use super::volume;
use crate::Address;
use crate::PackageRun;
use crate::instance_arguments;
use crate::place::SOCKET;

/// The code's folder inside.
pub(crate) const CODE: &str = "/app";
/// The folder of the socket that is dialed, inside.
const SOCKETS: &str = "/run/fnlocal";
/// The wrapper's port inside, where sockets cannot be used.
pub(crate) const PORT: u16 = 8080;
/// Processes and threads. Node.js needs about 12; a function may start helpers.
const PIDS: i64 = 256;

/// The differences between two instances' containers.
pub(crate) struct ContainerShape<'a> {
    pub package: &'a PackageRun,
    pub memory_mib: u32,
    pub sandbox: &'a str,
    pub address: &'a Address,
    pub init: bool,
    pub parked: bool,
}

/// Returns the text for a container's input: the word that a parked one waits for before it starts
/// the wrapper, and the token, which the wrapper reads. Any process in the container could read the
/// environment and the arguments, for as long as it lives.
pub(crate) fn introduction(parked: bool, token: &str) -> String {
    let go = if parked { "\n" } else { "" };
    format!("{go}{token}\n")
}

/// The container of one instance.
pub(crate) fn instance(
    engine: &Engine,
    owner: &Owner,
    shape: &ContainerShape<'_>,
) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(shape.package.image.clone()),
        user: Some(user(engine)),
        env: Some(environment(shape)),
        entrypoint: Some(entrypoint(shape)),
        cmd: Some(Vec::new()),
        working_dir: Some(CODE.to_owned()),
        // The wrapper ends when its input does: when this process dies, so do its instances.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        labels: Some(owner.labels("instance", Some(&shape.package.name))),
        host_config: Some(HostConfig {
            network_mode: Some(format!("container:{}", shape.sandbox)),
            mounts: Some(mounts(engine, owner, shape)),
            tmpfs: Some(tmpfs(shape.memory_mib)),
            init: Some(shape.init),
            // A small instance yields to a larger one only when the processor is short: nothing
            // is throttled while there is idle time, unlike with a quota.
            cpu_shares: Some(i64::from(shape.memory_mib).max(128)),
            ..hardened(engine, shape.memory_mib, PIDS)
        }),
        ..created_by_us()
    }
}

/// A parked container is started but waits for a word: the engine's start call is most of a cold
/// start, and can thus be made ahead, without the memory of a booted wrapper.
fn entrypoint(shape: &ContainerShape<'_>) -> Vec<String> {
    let language = shape.package.language;
    let wait = ["sh", "-c", "read _ && exec \"$@\"", "sh"];
    let words = if shape.parked { &wait[..] } else { &[] };
    let words = words.iter().copied().chain([language.program()]);
    let mut command: Vec<String> = words.map(str::to_owned).collect();
    let wrapper = language.wrapper().path;
    command.extend(instance_arguments(language, shape.memory_mib, wrapper));
    command
}

fn environment(shape: &ContainerShape<'_>) -> Vec<String> {
    let reached = match shape.address {
        Address::Dialed(_) => format!("FNLOCAL_DIAL={SOCKETS}/{SOCKET}"),
        Address::Tcp(_) => format!("PORT={PORT}"),
    };
    let mut env: Vec<String> = shape
        .package
        .env
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    // Ours come last, so that a package cannot replace them.
    env.extend([reached, "HOME=/tmp".to_owned()]);
    // Code that is mounted is being worked on.
    if shape.package.code_root.is_some() {
        env.push("FNLOCAL_DEV=1".to_owned());
    }
    env
}

fn mounts(engine: &Engine, owner: &Owner, shape: &ContainerShape<'_>) -> Vec<Mount> {
    let bind = |source: &Path, target: &str, read_only| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    };
    let code = shape.package.code_root.iter();
    let code = code.map(|root| match engine.shares_folders {
        true => bind(root, CODE, true),
        false => volume::mount(owner, &shape.package.name, true),
    });
    let mut mounts: Vec<Mount> = code.collect();
    if let Address::Dialed(listener) = shape.address {
        // One can connect through it, but write nothing to this system.
        mounts.push(bind(listener.folder(), SOCKETS, true));
    }
    mounts
}
