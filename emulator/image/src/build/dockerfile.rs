//! A package's own Dockerfile, built by the engine; fnlocal adds the wrapper.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::models::{BuildInfo, ImageConfig, ImageInspect};
use bollard::query_parameters::BuildImageOptions;
use fnlocal_registry::RepositoryName;
use futures_util::{Stream, StreamExt};
use oci_client::config::Config;

use super::Site;
use super::code::{CodeFiles, FOLDER};
use super::container::{self, Subject};
use super::describe::{json, settings};
use super::error::{BuildError, bug};
use super::report::{BuildProgress, BuiltLayer, Described, LayerPart};
use crate::Root;
use crate::base::inspect;
use crate::oci::layer::Layer;
use crate::oci::manifest::ImagePlatform;
use crate::oci::saved;
use fnlocal_engine::helper;
use fnlocal_engine::identity::short_hash;
use fnlocal_project::{DescribedModule, Package};

/// The file's name.
const FILE: &str = "Dockerfile";
/// The maximum time of a build. The engine ends the steps of a build that is no longer waited for.
const TIME: Duration = Duration::from_mins(30);
/// Bytes of the engine's words that are kept for an error.
const OUTPUT_BYTES: usize = 256 * 1024;
/// The kind of the records with what its image exports.
const DESCRIBED: &str = "dockerfile-functions";

/// The result of a Dockerfile.
pub(super) struct Own {
    pub layers: Vec<BuiltLayer>,
    pub config: Config,
    /// The exports, and their source.
    pub said: (Vec<DescribedModule>, Described),
}

/// The package's Dockerfile, if it has one.
pub(super) fn dockerfile_of(package: &Package) -> Option<PathBuf> {
    Some(package.root.join(FILE)).filter(|path| path.is_file())
}

/// Builds it, checks that it starts the wrapper, and takes its layers.
pub(super) async fn build(
    site: &Site<'_>,
    package: &Package,
    code: &CodeFiles,
    platform: ImagePlatform,
    repository: &RepositoryName,
    env: &BTreeMap<String, String>,
) -> Result<Own, BuildError> {
    if platform != ImagePlatform::here() {
        let what = format!("the Dockerfile of {}", package.name);
        return Err(BuildError::Foreign { what, platform });
    }
    let what = format!("building the Dockerfile of {}", package.name);
    let engine = site.engine(&what).await?;
    site.report(BuildProgress::Began {
        package: package.name.clone(),
        part: LayerPart::Base,
    });
    let name = site.engine_name(repository, "dockerfile");
    let context = code.root("");
    let context = tokio::task::spawn_blocking(move || context.bytes());
    let context = context.await.map_err(bug)?.map_err(bug)?;
    run(site, package, &name, context).await?;
    let found = inspect(&engine.docker, &name).await?;
    let found = found.ok_or_else(|| bug("the engine does not show what it built"))?;
    let config = config(package, &found)?;
    let (layers, cached) = layers(site, &found, repository).await?;
    let said = describe(site, package, &found, env).await?;
    let built = |layer| BuiltLayer {
        part: LayerPart::Base,
        layer,
        cached,
    };
    Ok(Own {
        layers: layers.into_iter().map(built).collect(),
        config,
        said,
    })
}

/// Imports the code in a container of the image, to which the wrapper is added; unless a record has
/// the answer.
async fn describe(
    site: &Site<'_>,
    package: &Package,
    image: &ImageInspect,
    env: &BTreeMap<String, String>,
) -> Result<(Vec<DescribedModule>, Described), BuildError> {
    let id = image.id.clone().unwrap_or_default();
    let texts = [json(env), json(&settings(package, Path::new(FOLDER)))];
    let wrapper = package.language.wrapper();
    let parts = [
        id.as_bytes(),
        texts[0].as_bytes(),
        texts[1].as_bytes(),
        wrapper.bytes,
    ];
    let key = short_hash(&parts);
    if let Some(known) = site.records.get(DESCRIBED, &key) {
        return Ok((known, Described::Known));
    }
    let (at, file) = wrapper.path.rsplit_once('/').unwrap_or_default();
    let mut root = Root::default();
    root.text(file, wrapper.bytes, 0o755);
    let tar = helper::whole(root.bytes().map_err(bug)?);
    let subject = Subject {
        package,
        image: &id,
        env,
        at,
    };
    let described = container::describe(site, &subject, tar).await?;
    site.records.put(DESCRIBED, &key, &described);
    Ok((described, Described::Image))
}

async fn run(
    site: &Site<'_>,
    package: &Package,
    name: &str,
    context: Vec<u8>,
) -> Result<(), BuildError> {
    let engine = site.engine("building a Dockerfile").await?;
    let options = BuildImageOptions {
        dockerfile: FILE.to_owned(),
        t: Some(name.to_owned()),
        rm: true,
        forcerm: true,
        ..BuildImageOptions::default()
    };
    let body = bollard::body_full(context.into());
    let news = engine.docker.build_image(options, None, Some(body));
    let mut output = String::new();
    let built = tokio::time::timeout(TIME, follow(news, &mut output)).await;
    built
        .unwrap_or_else(|_| {
            let minutes = TIME.as_secs() / 60;
            Err(format!("\nit took more than {minutes} minutes"))
        })
        .map_err(|why| BuildError::Dockerfile {
            package: package.name.clone(),
            output: (output + &why).trim_end().to_owned(),
        })
}

/// Takes in what an engine writes while it builds, and why it failed if it did. The end of it is
/// kept.
async fn follow(
    mut news: impl Stream<Item = Result<BuildInfo, EngineError>> + Unpin,
    output: &mut String,
) -> Result<(), String> {
    while let Some(one) = news.next().await {
        let one = one.map_err(|error| error.to_string())?;
        output.push_str(one.stream.as_deref().unwrap_or_default());
        if output.len() > 2 * OUTPUT_BYTES {
            let from = output.ceil_char_boundary(output.len() - OUTPUT_BYTES);
            output.drain(..from);
        }
        if let Some(error) = one.error_detail.and_then(|detail| detail.message) {
            return Err(error);
        }
    }
    Ok(())
}

/// How the image runs, if that is by our wrapper.
fn config(package: &Package, found: &ImageInspect) -> Result<Config, BuildError> {
    let built = found.config.clone().unwrap_or_default();
    let entrypoint = built.entrypoint.clone().unwrap_or_default();
    let wrapper = package.language.wrapper();
    if entrypoint.last().map(String::as_str) != Some(wrapper.path) {
        return Err(BuildError::Entrypoint {
            package: package.name.clone(),
            wanted: package.language.entrypoint(),
            found: started(&built),
        });
    }
    Ok(Config {
        user: built.user.filter(|user| !user.is_empty()),
        env: built.env,
        entrypoint: Some(entrypoint),
        working_dir: built.working_dir.filter(|folder| !folder.is_empty()),
        labels: built.labels.map(|labels| labels.into_iter().collect()),
        ..Config::default()
    })
}

fn started(built: &ImageConfig) -> String {
    let words = [&built.entrypoint, &built.cmd];
    let words: Vec<&str> = words
        .into_iter()
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        format!("`{}`", words.join(" "))
    }
}

async fn layers(
    site: &Site<'_>,
    found: &ImageInspect,
    repository: &RepositoryName,
) -> Result<(Vec<Layer>, bool), BuildError> {
    let id = found.id.clone().unwrap_or_default();
    let key: String = id.trim_start_matches("sha256:").chars().take(16).collect();
    if let Some(known) = site.records.get::<Vec<Layer>>("dockerfile", &key)
        && known
            .iter()
            .all(|layer| site.store.has_blob(repository, &layer.digest))
    {
        return Ok((known, true));
    }
    let engine = site
        .engine("taking the layers of a Dockerfile's image")
        .await?;
    let layers = saved::layers(&engine.docker, found, &site.store, repository).await?;
    site.records.put("dockerfile", &key, &layers);
    Ok((layers, false))
}
