//! The labels by which our containers and networks are known, to us and to nobody else.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

pub(crate) const PROJECT: &str = "fnlocal.project";
pub const FOLDER: &str = "fnlocal.folder";
pub const RUN: &str = "fnlocal.run";
pub const NODE: &str = "fnlocal.node";
pub const KIND: &str = "fnlocal.kind";
pub(crate) const PACKAGE: &str = "fnlocal.package";

/// Whose a container is.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The project: the reaper looks no further.
    pub project: String,
    /// The project's folder, for people who wonder where a container comes from.
    pub folder: String,
    /// This run of it, random.
    pub run: String,
    /// The node within the run.
    pub node: String,
}

impl Owner {
    /// The labels of something of ours.
    pub fn labels<T>(&self, kind: &str, package: Option<&str>) -> T
    where
        T: FromIterator<(String, String)>,
    {
        let mut labels = BTreeMap::from([
            (PROJECT, self.project.as_str()),
            (FOLDER, &self.folder),
            (RUN, &self.run),
            (NODE, &self.node),
            (KIND, kind),
        ]);
        if let Some(package) = package {
            labels.insert(PACKAGE, package);
        }
        labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// The same run under another node's name.
    pub fn on(&self, node: &str) -> Self {
        Self {
            node: node.to_owned(),
            ..self.clone()
        }
    }

    /// A filter for everything of this node in this run.
    pub fn filter<T>(&self) -> T
    where
        T: FromIterator<(String, Vec<String>)>,
    {
        [(
            "label".to_owned(),
            vec![pair(RUN, &self.run), pair(NODE, &self.node)],
        )]
        .into_iter()
        .collect()
    }
}

pub fn pair(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

/// Returns the label of a project: the same for the same folder, different for every other.
#[must_use]
pub fn project_label(name: &str, root: &Path) -> String {
    let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
    format!("{name}-{}", hex::encode(&hash[..4]))
}
