//! One node: its core, its processors, its instances as the outside sees them.

use std::collections::BTreeMap;

use fnlocal_core::time::Instant;
use fnlocal_core::{FunctionId, InstanceId, Node, PackageId};

use super::cpu::Cpu;
use crate::report::InstanceState;

/// The stage of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostStage {
    /// Its machine boots.
    Booting,
    /// Its code is being imported.
    Priming,
    /// The node serves.
    Up,
    /// The node finishes its requests.
    Draining,
}

/// An instance as the outside sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostInstance {
    pub(super) state: InstanceState,
    pub(super) package: PackageId,
    pub(super) running: u32,
    pub(super) function: Option<FunctionId>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) core: Node,
    pub(super) cpu: Cpu,
    pub(super) stage: HostStage,
    /// Packages whose code has not been imported yet.
    pub(super) unprimed: usize,
    pub(super) instances: BTreeMap<InstanceId, HostInstance>,
    /// When the queue has been asked to look at the core's deadlines.
    pub(super) armed: Option<Instant>,
}
