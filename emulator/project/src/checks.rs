//! Checks of a function's table that neither serde nor bounds make. They are the same for
//! `fnlocal.toml` and for `config` in code.

use super::config::FunctionConfig;
use super::diagnostics::KeyError;
use super::values::MemorySize;
use super::{names, settings, triggers};

/// Checks a table by itself; `node` is the memory of a node, if the project says it.
///
/// # Errors
/// The first key that is wrong.
pub(super) fn check(config: &FunctionConfig, node: Option<MemorySize>) -> Result<(), KeyError> {
    settings::check_alone(config)
        .map_err(|error| KeyError::about([error.key], error.what.to_owned()))?;
    check_fits(config, node)?;
    let mut variables = config.env.iter().flatten();
    if let Some(name) = variables.find(|name| !names::is_variable(name)) {
        let what = format!("`{name}` cannot be a variable's name");
        return Err(KeyError::sentence(["env"], what));
    }
    triggers::check(config)
}

/// An instance must fit on a node.
fn check_fits(config: &FunctionConfig, node: Option<MemorySize>) -> Result<(), KeyError> {
    match (node, config.memory) {
        (Some(node), Some(memory)) if memory > node => {
            let what = format!(
                "of one instance is more than a node's, which is {}MB in [limits]",
                node.0
            );
            let hint = "lower it, or raise `memory` in [limits]";
            Err(KeyError::about(["memory"], what).with_hint(Some(hint.to_owned())))
        }
        _ => Ok(()),
    }
}
