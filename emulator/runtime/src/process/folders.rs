//! Folders that go with an instance.

use std::path::PathBuf;

use fnlocal_files::OwnPath;

/// Folders of one instance, which are removed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct InstanceFolders(pub Vec<PathBuf>);

impl Drop for InstanceFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _left = OwnPath::new(folder).remove_all();
        }
    }
}
