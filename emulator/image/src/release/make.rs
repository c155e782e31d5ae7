//! From a build to a release that is kept.

use std::path::Path;

use fnlocal_core::release::{Commit, Release};

use super::{AssembleError, NamedRelease, PackageImage, ReleaseStoreError, Releases, assemble};
use crate::build::{self, BuildError, BuildOptions, BuildReport, Built, OnBuildProgress};
use fnlocal_project::{Package, Project, ProjectError, Warning};

/// A release of what was built.
#[derive(Clone, Debug)]
pub struct MadeRelease {
    /// The release.
    pub kept: NamedRelease,
    /// The one before it, if that is another.
    pub before: Option<NamedRelease>,
    /// `true` if the release differs from the newest one.
    pub new: bool,
    /// Warnings about the release.
    pub warnings: Vec<Warning>,
}

/// Builds every package of a project and makes a release of the images. `now` is an RFC 3339 time in
/// UTC.
///
/// # Errors
/// [`MakeError`]; images that were built before it are in the registry, whole.
pub async fn build(
    options: &BuildOptions,
    tell: OnBuildProgress<'_>,
    now: String,
) -> Result<(BuildReport, MadeRelease), MakeError> {
    let project = Project::open(&options.path, None)?;
    let releases = Releases::in_state(&project.state());
    // Read while the build waits for other things, of which there may be many.
    let listing = tokio::task::spawn_blocking(move || releases.list());
    let report = build::build_project(&project, options, tell).await?;
    let newest = match listing.await {
        Ok(listed) => listed?.into_iter().next(),
        Err(error) => return Err(BuildError::Bug(error.to_string()).into()),
    };
    let made = make(&project, &project.state(), newest, &report, now)?;
    Ok((report, made))
}

/// Makes a release of what was built from `project`, and keeps it in `state`. A release that equals
/// the `newest` one, apart from the time, is that one.
///
/// # Errors
/// [`MakeError`] when a function cannot run, or the release cannot be kept.
pub fn make(
    project: &Project,
    state: &Path,
    newest: Option<NamedRelease>,
    report: &BuildReport,
    now: String,
) -> Result<MadeRelease, MakeError> {
    let parts = parts(project, report);
    let images: Vec<PackageImage<'_>> = parts.iter().map(ReleasePart::image).collect();
    let (release, warnings) = assemble(project, &images, commit(report), now)?;
    let releases = Releases::in_state(state);
    if let Some(newest) = newest.clone()
        && says_the_same(&newest.release, &release)
    {
        return Ok(MadeRelease {
            kept: newest,
            before: None,
            new: false,
            warnings,
        });
    }
    let kept = NamedRelease::new(release)?;
    releases.put(&kept)?;
    Ok(MadeRelease {
        kept,
        before: newest,
        new: true,
        warnings,
    })
}

struct ReleasePart<'a> {
    package: &'a Package,
    built: &'a Built,
    digest: String,
}

impl ReleasePart<'_> {
    fn image(&self) -> PackageImage<'_> {
        PackageImage {
            package: self.package,
            repository: self.built.repository.as_str(),
            digest: &self.digest,
            code: &self.built.code,
            modules: &self.built.functions,
        }
    }
}

fn parts<'a>(project: &'a Project, report: &'a BuildReport) -> Vec<ReleasePart<'a>> {
    let built = report.images.iter();
    built
        .filter_map(|built| {
            let named = |package: &&Package| package.name == built.package;
            Some(ReleasePart {
                package: project.packages.iter().find(named)?,
                built,
                digest: built.digest.to_string(),
            })
        })
        .collect()
}

/// The commit all packages are of.
fn commit(report: &BuildReport) -> Option<Commit> {
    let mut commits = report.images.iter().filter_map(|built| {
        built.commit.as_ref().map(|commit| Commit {
            id: commit.hash.clone(),
            dirty: commit.dirty,
        })
    });
    let first = commits.next()?;
    let dirty = first.dirty || commits.any(|other| other.dirty || other.id != first.id);
    Some(Commit { dirty, ..first })
}

fn says_the_same(one: &Release, other: &Release) -> bool {
    let timeless = |release: &Release| Release {
        created: String::new(),
        ..release.clone()
    };
    timeless(one) == timeless(other)
}

/// Why no release was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// An image could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A function cannot run.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The release cannot be stored.
    #[error(transparent)]
    Store(#[from] ReleaseStoreError),
    /// The folder is no project.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

fnlocal_api::user_error!(MakeError [Build, Assemble, Store, Project] {});
