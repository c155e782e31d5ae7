//! The task of a package manager.

use super::Member;

/// The things to install, and their place.
#[derive(Clone, Copy, Debug)]
pub struct ManagerInstall<'a> {
    /// The folder that holds all of the install.
    pub work: &'a str,
    /// There is a lock file, which is kept to.
    pub locked: bool,
    /// An architecture that is not the one the commands run on, as images spell it.
    pub target: Option<&'a str>,
    /// The package, if the commands run in its workspace's folder.
    pub member: Option<&'a Member>,
    /// The package's own scripts run.
    pub scripts: bool,
    /// The Yarn that the project brings, by its path below the folder the commands run in.
    pub yarn: Option<&'a str>,
}

impl ManagerInstall<'_> {
    /// Words that have npm choose what is for another platform.
    pub fn foreign(&self) -> Vec<String> {
        let cpu = self.target.map(|target| format!("--cpu={}", cpu(target)));
        cpu.map_or_else(Vec::new, |cpu| vec!["--os=linux".to_owned(), cpu])
    }
}

/// An architecture as Node and npm spell it.
fn cpu(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x64",
        same => same,
    }
}
