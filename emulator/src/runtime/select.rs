//! stub
use super::*;
use crate::project::{Package, Project};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice { Auto, Docker, Process }
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct SelectError;
impl SelectError { pub fn hint(&self) -> Option<String> { None } }
pub struct Selected { pub runtime: Arc<dyn Runtime>, pub why: String, pub preparer: Preparer }
#[derive(Clone)]
pub struct Preparer;
impl Preparer {
    pub async fn prepare(&self, _package: &Package, _code_root: PathBuf, _env: BTreeMap<String, String>, _progress: &dyn Fn(String)) -> Result<PackageRun, SelectError> { Err(SelectError) }
}
pub async fn select(_choice: Choice, _project: &Project, _state: &std::path::Path, _notices: Notices, _progress: &dyn Fn(String)) -> Result<Selected, SelectError> { Err(SelectError) }
