//! The release to serve.

use super::ReleaseOptions;
use crate::error::ServeError;
use crate::workload::ServedProject;
use fnlocal_image::build::{self, BuildOptions, BuildProgress};
use fnlocal_image::release::{self, NamedRelease, Releases};

/// The one that was named, or one built anew.
pub(super) async fn wanted(
    options: &ReleaseOptions,
    served: &ServedProject<'_>,
) -> Result<NamedRelease, ServeError> {
    let logs = served.logs;
    let kept = match &options.release {
        Some(said) => Releases::in_state(served.state.path()).find(said)?,
        None => {
            let build = BuildOptions {
                path: served.path.to_owned(),
                platforms: Vec::new(),
                pull: false,
                large: build::LARGE,
            };
            let report = |news: BuildProgress| match news {
                BuildProgress::Note(text) => logs.note(text),
                BuildProgress::Warning(warning) => logs.warn(warning.report()),
                BuildProgress::Began { .. } | BuildProgress::Done { .. } => {}
            };
            let (_, made) = release::build(&build, &report, options.now.clone()).await?;
            for warning in &made.warnings {
                logs.warn(warning.report());
            }
            made.kept
        }
    };
    let project = &served.project.name;
    if kept.release.project != *project {
        return Err(ServeError::Foreign {
            release: kept.release.project,
            project: project.clone(),
        });
    }
    Ok(kept)
}
