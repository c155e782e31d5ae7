//! The one function that is debugged, if there is one.

use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::FunctionSpec;
use fnlocal_language::InspectPaths;

use super::{Driver, Function, Instance};
use fnlocal_runtime::{Address, InstanceListener};

/// The name of the socket for debuggers, beside the one for requests.
const SOCKET: &str = "i";
/// As good as for ever, for somebody who looks at a variable.
const DEBUGGED_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Where an instance's inspector is.
pub struct InspectTarget {
    /// The socket that it dials.
    pub listener: InstanceListener,
    /// How its files are named on either side.
    pub paths: InspectPaths,
}

impl Driver {
    /// Has one function debugged from now on, which must be before its code is imported.
    pub fn inspect(&self, function: Arc<str>) {
        self.inspected.replace(Some(function));
    }

    pub(super) fn is_inspected(&self, function: &Function) -> bool {
        self.inspected.borrow().as_deref() == Some(&*function.name)
    }

    /// Returns the function's timeout, or a day while it is debugged.
    pub fn timeout_of(&self, function: &Function) -> Duration {
        if self.is_inspected(function) {
            return DEBUGGED_TIMEOUT;
        }
        function.settings.limits.timeout
    }

    /// One instance of what is debugged, which nobody pauses or ends. Its wrapper watches the time
    /// instead of the core: it knows whether somebody stands at a breakpoint.
    pub(super) fn under_inspection(&self, mut specs: Vec<FunctionSpec>) -> Vec<FunctionSpec> {
        for spec in &mut specs {
            let function = self.function(spec.function);
            if function.is_some_and(|function| self.is_inspected(&function)) {
                let limits = &mut spec.limits;
                (limits.min_instances, limits.max_instances) = (1, 1);
                limits.timeout = DEBUGGED_TIMEOUT;
                limits.queue_timeout = DEBUGGED_TIMEOUT;
                limits.pause_after = DEBUGGED_TIMEOUT;
                limits.stop_after = DEBUGGED_TIMEOUT;
            }
        }
        specs
    }

    /// Returns whether an instance can be debugged: its inspector must be able to dial a socket of
    /// ours, which is there from now on.
    pub(super) fn can_be_inspected(&self, instance: &Instance) -> bool {
        let reached = match instance.started().map(|started| &started.address) {
            Some(Address::Dialed(listener)) => match listener.beside(SOCKET) {
                Ok(inspector) => instance.set_inspector(inspector),
                Err(_) => instance.inspector().is_some(),
            },
            _ => false,
        };
        if !reached {
            self.logs.warn(
                "the debugger's port has nothing behind it: sockets of this engine's containers \
                 do not reach here\n  hint: add --runtime process",
            );
        }
        reached
    }

    /// The inspector of the newest instance that is debugged, once there is one.
    pub fn inspected(&self) -> Option<InspectTarget> {
        let wanted = self.inspected.borrow().clone()?;
        let instances = self.instances.borrow();
        let of_it = |one: &&std::rc::Rc<Instance>| one.function_name().as_ref() == Some(&wanted);
        let instance = instances.values().rev().find(of_it)?;
        let started = instance.started()?;
        let listener = instance.inspector()?.clone();
        let packages = self.packages.borrow();
        let package = packages.get(&instance.package)?;
        let code = package.codes.get(&instance.bound()?.code)?;
        let inside = format!("{}/", code.path(&started.code_root));
        let outside = std::fs::canonicalize(&package.shown_root).ok()?;
        let language = package.run.language;
        Some(InspectTarget {
            listener,
            paths: language.inspect_paths(&inside, &format!("{}/", outside.display())),
        })
    }
}
