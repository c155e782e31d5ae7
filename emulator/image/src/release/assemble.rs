//! From a project and its images to a release.

use fnlocal_core::release::{
    Commit, Release, ReleaseFunction, ReleaseLimits, ReleasePackage, SCHEMA,
};

use fnlocal_project::{
    BodyMode, DescribedModule, FunctionProblem, Package, Project, SettledFunction, TimeSpan,
    Warning,
};

/// A package's image, as a release needs it.
#[derive(Clone, Copy, Debug)]
pub struct PackageImage<'a> {
    /// The package.
    pub package: &'a Package,
    /// The image's repository.
    pub repository: &'a str,
    /// The digest of its manifest or index.
    pub digest: &'a str,
    /// The hash of the package's files, as `x-fnlocal-code` shows it.
    pub code: &'a str,
    /// The exports of its files.
    pub modules: &'a [DescribedModule],
}

/// Why images make no release.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AssembleError(Box<FunctionProblem>);

fnlocal_api::user_error!(AssembleError: Config { Self(problem) => problem.hint(); });

/// Puts a release together: limits are settled here, once, so that every node has the same.
/// `created` is an RFC 3339 time in UTC.
///
/// # Errors
/// [`AssembleError`], the first function that cannot run: what is released is whole.
pub fn assemble(
    project: &Project,
    images: &[PackageImage<'_>],
    commit: Option<Commit>,
    created: String,
) -> Result<(Release, Vec<Warning>), AssembleError> {
    let mut warnings = Vec::new();
    let mut packages = Vec::new();
    for image in images {
        let settled = project.settle(image.package, image.modules);
        if let Some(problem) = settled.problems.into_iter().next() {
            return Err(AssembleError(Box::new(problem)));
        }
        warnings.extend(settled.warnings);
        packages.push(package(image, settled.functions));
    }
    let all: Vec<(&Package, &[DescribedModule])> = images
        .iter()
        .map(|image| (image.package, image.modules))
        .collect();
    let across = project.check_across(&all);
    if let Some(problem) = across.problems.into_iter().next() {
        return Err(AssembleError(Box::new(problem)));
    }
    warnings.extend(across.warnings);
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    let release = Release {
        schema: SCHEMA,
        project: project.name.clone(),
        created,
        fnlocal: env!("CARGO_PKG_VERSION").to_owned(),
        commit,
        default: project.config().default.clone(),
        routes: project.config().route_specs(),
        limits: project_limits(project),
        packages,
    };
    Ok((release, warnings))
}

/// The limits a project sets for all its functions together.
#[must_use]
pub fn project_limits(project: &Project) -> ReleaseLimits {
    let limits = &project.config().limits;
    let millis = |span: Option<TimeSpan>| {
        span.map(|span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX))
    };
    ReleaseLimits {
        max_instances: limits.max_instances,
        rps: limits.rps.and_then(|rate| rate.0),
        burst: limits.burst,
        over_rate: limits.over_rate.unwrap_or_default(),
        idle_timeout_ms: millis(limits.idle_timeout),
        head_timeout_ms: millis(limits.head_timeout),
        body_timeout_ms: millis(limits.body_timeout),
        max_header_bytes: limits.max_header_size.map(|size| size.0),
    }
}

fn package(image: &PackageImage<'_>, functions: Vec<SettledFunction>) -> ReleasePackage {
    let mut functions: Vec<ReleaseFunction> = functions.into_iter().map(function).collect();
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    let language = image.package.language;
    ReleasePackage {
        name: image.package.name.clone(),
        repository: image.repository.to_owned(),
        digest: image.digest.to_owned(),
        code: image.code.to_owned(),
        language: (language != fnlocal_language::usual()).then(|| language.word().to_owned()),
        entries: image.package.entries.clone(),
        functions,
    }
}

fn function(settled: SettledFunction) -> ReleaseFunction {
    let settings = settled.settings;
    ReleaseFunction {
        name: settled.name,
        entry: settled.entry,
        limits: settings.limits,
        body_limit: settings.body_limit,
        response_limit: settings.response_limit,
        streams: settings.body == BodyMode::Stream,
        env: settings.env,
        schedule: settings.schedule,
        triggers: settings.triggers,
    }
}
