//! What a package manager is to install.

use super::Member;
use crate::oci::manifest::ImagePlatform;

/// What is installed, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstallPlan<'a> {
    /// The folder that holds all of the install.
    pub work: &'a str,
    /// There is a lock file, which is kept to.
    pub locked: bool,
    /// A platform that is not the one the commands run on.
    pub target: Option<ImagePlatform>,
    /// The package, if the commands run in its workspace's folder.
    pub member: Option<&'a Member>,
    /// The package's own scripts run.
    pub scripts: bool,
    /// The Yarn that the project brings, by its path below the folder the commands run in.
    pub yarn: Option<&'a str>,
}

impl InstallPlan<'_> {
    /// Words that have npm choose what is for another platform.
    pub fn foreign(&self) -> Vec<String> {
        let cpu = self.target.map(|target| format!("--cpu={}", target.cpu()));
        cpu.map_or_else(Vec::new, |cpu| vec!["--os=linux".to_owned(), cpu])
    }
}
