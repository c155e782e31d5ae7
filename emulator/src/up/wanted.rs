//! Which release is served.

use crate::serve::with_hint;
use fnlocal_image::build::{self, BuildOptions, BuildProgress};
use fnlocal_image::release::{self, NamedRelease, Releases};
use fnlocal_logs::Logs;
use fnlocal_project::{Project, StateDir};

use super::{UpError, UpOptions};

/// The one that was named, or one built anew.
pub(super) async fn wanted(
    options: &UpOptions,
    project: &Project,
    state: &StateDir,
    logs: &Logs,
) -> Result<NamedRelease, UpError> {
    let kept = match &options.release {
        Some(said) => Releases::in_state(state.path()).find(said)?,
        None => {
            let build = BuildOptions {
                path: options.path.clone(),
                platforms: Vec::new(),
                pull: false,
                large: build::LARGE,
            };
            let tell = |news: BuildProgress| match news {
                BuildProgress::Note(text) => logs.note(text),
                BuildProgress::Warning(warning) => {
                    logs.warn(with_hint(&warning.text, warning.hint.as_deref()));
                }
                BuildProgress::Began { .. } | BuildProgress::Done { .. } => {}
            };
            let (_, made) = release::build(&build, &tell, options.now.clone()).await?;
            for warning in &made.warnings {
                logs.warn(with_hint(&warning.text, warning.hint.as_deref()));
            }
            made.kept
        }
    };
    if kept.release.project != project.name {
        return Err(UpError::Foreign {
            release: kept.release.project,
            project: project.name.clone(),
        });
    }
    Ok(kept)
}
