//! Making one image inside the engine: a container of the base, files put in, dependencies
//! installed, committed.

use std::time::Duration;

use bollard::models::ContainerConfig;
use bollard::query_parameters::CommitContainerOptions;

use super::error::{ImageError, engine};
use super::install::Installer;
use super::root::Root;
use fnlocal_engine::OnProgress;

use super::PROJECT;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::labels::Owner;
use fnlocal_engine::reaper;
use fnlocal_language::InstallPlan;
use fnlocal_project::Package;

/// One image to make.
pub(super) struct EngineBuild<'a> {
    pub engine: &'a Engine,
    pub owner: &'a Owner,
    pub base: &'a str,
    /// Whose image it is alone.
    pub project: Option<&'a str>,
    pub package: &'a Package,
    pub reference: &'a str,
    pub install_time: Duration,
}

impl EngineBuild<'_> {
    pub async fn run(
        &self,
        dependencies: Option<&dyn InstallPlan>,
        progress: OnProgress<'_>,
    ) -> Result<(), ImageError> {
        let installer = Installer {
            engine: self.engine,
            owner: self.owner,
            base: self.base,
            package: self.package,
            target: None,
            time: self.install_time,
        };
        let id = installer.create().await?;
        let mut root = Root::default();
        let wrapper = self.package.language.wrapper();
        root.text(wrapper.path, wrapper.bytes, 0o755);
        let filled = match dependencies {
            Some(dependencies) => {
                let installed = installer.install(&id, root, dependencies, progress).await;
                match installed {
                    Ok(()) => installer.tidy(&id).await,
                    failed => failed,
                }
            }
            None => installer.upload(&id, &root).await,
        };
        let built = match filled {
            Ok(()) => self.commit(&id).await,
            Err(error) => Err(error),
        };
        reaper::remove(&self.engine.docker, &id).await;
        built
    }

    async fn commit(&self, id: &str) -> Result<(), ImageError> {
        let (repo, tag) = self
            .reference
            .rsplit_once(':')
            .unwrap_or((self.reference, "latest"));
        let options = CommitContainerOptions {
            container: Some(id.to_owned()),
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
            comment: Some("made by fnlocal".to_owned()),
            pause: false,
            ..CommitContainerOptions::default()
        };
        // The engine adds the container's labels; emptied, they name no run, and a container
        // somebody else makes of the image is not taken for one of ours.
        let ours: Vec<(String, String)> = self.owner.labels("build", Some(&self.package.name));
        let emptied = ours.into_iter().map(|(key, _)| (key, String::new()));
        let project = self
            .project
            .map(|name| (PROJECT.to_owned(), name.to_owned()));
        let config = ContainerConfig {
            entrypoint: Some(self.package.language.entrypoint()),
            cmd: Some(Vec::new()),
            user: Some("1000:1000".to_owned()),
            working_dir: Some("/app".to_owned()),
            labels: Some(emptied.chain(project).collect()),
            ..ContainerConfig::default()
        };
        let made = self.engine.docker.commit_container(options, config).await;
        made.map(drop)
            .map_err(engine("making an image of a container"))
    }
}
