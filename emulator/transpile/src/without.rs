//! A build without a transpiler: what Node.js cannot run stays so.

use crate::{ConfigError, Emitted, Sources};

/// Translates nothing.
#[derive(Debug, Default)]
pub struct Transpiler {}

impl Transpiler {
    /// Returns that nothing was made.
    ///
    /// # Errors
    /// Never.
    pub fn emit(&mut self, _: &dyn Sources) -> Result<Emitted, Box<ConfigError>> {
        Ok(Emitted::default())
    }
}
