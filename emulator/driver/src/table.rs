//! The functions a driver serves, by name and number, and why one cannot be served.

use std::rc::Rc;

use fnlocal_core::FunctionId;

use fnlocal_api::Failure;

use super::{Driver, Function, Functions};

impl Driver {
    /// Functions by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Rc<Function>> {
        self.functions.borrow().find(name)
    }

    /// The function that answers `/` and whatever no function's name matches.
    #[must_use]
    pub fn default_function(&self) -> Option<Rc<Function>> {
        self.functions.borrow().default_function()
    }

    /// The function's name and bounds, by number.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> Option<Rc<Function>> {
        self.functions.borrow().get(id)
    }

    /// Reads or changes the table of functions.
    pub fn with_functions<T>(&self, change: impl FnOnce(&mut Functions) -> T) -> T {
        change(&mut self.functions.borrow_mut())
    }

    /// Why a function's code cannot be imported, if it cannot.
    #[must_use]
    pub fn failure_of(&self, function: &Function) -> Option<Rc<Failure>> {
        let current = self.function(function.id)?;
        current.failure.borrow().clone()
    }

    /// Why no instance of a function can be started, as far as that is known.
    #[must_use]
    pub fn start_failure(&self, function: &Function) -> Option<String> {
        let wanted = function.settings.limits.memory_mib;
        if wanted > self.memory_mib {
            let has = self.memory_mib;
            return Some(format!(
                "it asks for {wanted} MB, and this node may use {has} MB"
            ));
        }
        if let Some(failure) = self.failure_of(function) {
            return Some(failure.summary());
        }
        self.start_failures.borrow().get(&function.package).cloned()
    }
}
