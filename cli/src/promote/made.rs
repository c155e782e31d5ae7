//! The release and the gateway to promote, in the project's registry.

use std::path::{Path, PathBuf};

use fnlocal_cloud::desired::{PromoteRequest, instance_type};
use fnlocal_cloud::{Inventory, binary, gateway, source};
use fnlocal_core::release::Release;
use fnlocal_image::build::{self, BuildOptions, SmokeTestResult};
use fnlocal_image::oci::manifest::ImagePlatform;
use fnlocal_image::release::{self, Releases};

use crate::build::progress::BuildBar;
use crate::cloud::{CloudTarget, warn_all};
use crate::error::CliError;
use crate::promote::PromoteArgs;
use crate::run::{now, warn};

/// Remembers the nodes' program, beside what is remembered of other layers.
const KNOWN: &str = "build/gateway.json";

/// The release to promote, and the store that holds its images.
pub struct PromoteInput {
    /// The request.
    pub wish: PromoteRequest,
    /// The store.
    pub store: source::Store,
}

/// Builds the release, or takes the kept one that is asked for; and composes the gateway.
pub async fn make(
    args: &PromoteArgs,
    place: &CloudTarget,
    around: &Inventory,
) -> Result<PromoteInput, CliError> {
    let processor = &instance_type(&place.env, around)?.architecture;
    let platform: ImagePlatform = format!("linux/{processor}")
        .parse()
        .map_err(|error: String| CliError::config(error, "name another `instance_type`"))?;
    let program = program(args)?;
    binary::check(&program, processor)?;
    let options = BuildOptions {
        path: args.folder.clone(),
        platforms: vec![platform],
        pull: false,
        large: build::LARGE,
    };
    let progress = BuildBar::new();
    let outcome = both(args, place, &options, platform, &progress).await;
    progress.clear();
    let (release, base_in, base) = outcome?;
    let store = source::open(&place.project.state().join(build::REGISTRY))?;
    let architectures = source::architectures(&store, &release)?;
    let composing = {
        let store = store.clone();
        let (known, program) = (place.project.state().join(KNOWN), program.clone());
        tokio::task::spawn_blocking(move || {
            gateway::compose(&store, &base_in, &base, &program, &known)
        })
    };
    let gateway = composing.await.map_err(broken)??;
    try_out(&options, platform, &program, &gateway, &progress).await?;
    Ok(PromoteInput {
        wish: PromoteRequest {
            env: place.env.clone(),
            release,
            gateway: gateway.to_string(),
            architectures,
            renew: args.renew,
        },
        store,
    })
}

/// Has the nodes' program run once, if this machine can: whether machines on AWS can is known late.
async fn try_out(
    options: &BuildOptions,
    platform: ImagePlatform,
    program: &Path,
    image: &source::Digest,
    progress: &BuildBar,
) -> Result<(), CliError> {
    let tell = |news| progress.report(&news);
    let tried = build::try_program(options, platform, program, image, &tell).await;
    progress.clear();
    if let SmokeTestResult::Untried(why) = tried? {
        let text = format!("whether the nodes' program runs on their image was not tried: {why}");
        warn(
            &text,
            Some("with a Docker engine for their processor it is"),
        );
    }
    Ok(())
}

type BaseLocation = (source::RepositoryName, source::Digest);

async fn both(
    args: &PromoteArgs,
    place: &CloudTarget,
    options: &BuildOptions,
    platform: ImagePlatform,
    progress: &BuildBar,
) -> Result<(Release, source::RepositoryName, source::Digest), CliError> {
    let tell = |news| progress.report(&news);
    let release = match &args.release {
        Some(said) => kept(place, said)?,
        None => {
            let (_, made) = release::build(options, &tell, now())
                .await
                .map_err(CliError::from_make)?;
            progress.clear();
            warn_all(&made.warnings);
            made.kept.release
        }
    };
    let (base_in, base): BaseLocation = build::usual_base(options, platform, &tell).await?;
    Ok((release, base_in, base))
}

fn kept(place: &CloudTarget, said: &str) -> Result<Release, CliError> {
    let release = Releases::in_state(&place.project.state())
        .find(said)?
        .release;
    if release.project == place.project.name {
        return Ok(release);
    }
    Err(CliError::config(
        format!(
            "the release is of project `{}`, and this is `{}`",
            release.project, place.project.name
        ),
        "`fnlocal release list` shows those of this project",
    ))
}

/// Returns the program that nodes run: this one, unless another is named.
fn program(args: &PromoteArgs) -> Result<PathBuf, CliError> {
    match &args.node_binary {
        Some(named) => Ok(named.clone()),
        None => std::env::current_exe().map_err(|source| {
            CliError::file("find", std::path::Path::new("this very program"), source)
        }),
    }
}

fn broken(error: tokio::task::JoinError) -> CliError {
    CliError::bug(format!("composing the gateway's image broke down: {error}"))
}
