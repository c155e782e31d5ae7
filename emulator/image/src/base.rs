//! The base: an image with an interpreter, its package manager and a shell.
//!
//! The one asked for if it is here; else one made earlier from this very host's interpreter; else
//! pulled; else made from the host's interpreter, so that a first run works offline.

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::models::ImageInspect;
use bollard::query_parameters::{CreateImageOptions, ListImagesOptions};
use futures_util::StreamExt;

use super::error::{ImageError, engine};
use super::host::{HostInterpreter, KEY};
use super::{ImageOptions, OnProgress};
use fnlocal_engine::error::chain;
use fnlocal_engine::identity::local_image;
use fnlocal_language::Language;

/// A base that is here.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its name.
    pub reference: String,
    /// Its id.
    pub id: String,
    /// Where it comes from, for people.
    pub origin: String,
}

pub(super) async fn find(
    docker: &Docker,
    language: &'static dyn Language,
    options: &ImageOptions,
    progress: OnProgress<'_>,
) -> Result<Base, ImageError> {
    let wanted = options.base_image.as_deref();
    let wanted = wanted.unwrap_or(language.base_image());
    if let Some(found) = inspect(docker, wanted).await? {
        return Ok(Base::new(wanted, &found, wanted));
    }
    // A base that was asked for by name is never replaced by another.
    let host = match options.base_image {
        None => HostInterpreter::find(language, options.interpreter.as_deref()).await,
        Some(_) => Err("another base was asked for".to_owned()),
    };
    if let Ok(host) = &host
        && let Some(base) = made_before(docker, host).await?
    {
        progress(format!(
            "base image: {}, for {wanted} is not here",
            base.origin
        ));
        return Ok(base);
    }
    let pull = match pull(docker, wanted, progress).await {
        Ok(()) => match inspect(docker, wanted).await? {
            Some(found) => return Ok(Base::new(wanted, &found, wanted)),
            None => "the engine does not show it".to_owned(),
        },
        Err(error) => chain(&error),
    };
    let failed = |host: String| ImageError::NoBase {
        image: wanted.to_owned(),
        pull: pull.clone(),
        host,
    };
    let host = host.map_err(failed)?;
    progress(format!(
        "{wanted} could not be pulled; making a base from {}",
        host.origin()
    ));
    let reference = host.import(docker).await.map_err(failed)?;
    let found = inspect(docker, &reference).await?;
    let found = found.ok_or_else(|| failed("the engine does not show it".to_owned()))?;
    Ok(Base::new(&reference, &found, &host.origin()))
}

impl Base {
    fn new(reference: &str, found: &ImageInspect, origin: &str) -> Self {
        let reference = reference.to_owned();
        let id = found.id.clone().unwrap_or_else(|| reference.clone());
        Self {
            reference,
            id,
            origin: origin.to_owned(),
        }
    }
}

/// An image, if it is here.
pub async fn inspect(docker: &Docker, reference: &str) -> Result<Option<ImageInspect>, ImageError> {
    match docker.inspect_image(reference).await {
        Ok(found) => Ok(Some(found)),
        Err(EngineError::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(engine("looking for an image")(error)),
    }
}

async fn made_before(docker: &Docker, host: &HostInterpreter) -> Result<Option<Base>, ImageError> {
    let label = format!("{KEY}={}", host.key());
    let options = ListImagesOptions {
        filters: Some([("label".to_owned(), vec![label])].into_iter().collect()),
        ..ListImagesOptions::default()
    };
    let list = docker
        .list_images(Some(options))
        .await
        .map_err(engine("listing images"))?;
    // Images made upon the base have its label too; its own name tells it from them.
    Ok(list.into_iter().find_map(|image| {
        let reference = image
            .repo_tags
            .iter()
            .find(|tag| tag.starts_with(&local_image("base:")))?;
        Some(Base {
            reference: reference.clone(),
            id: image.id,
            origin: host.origin(),
        })
    }))
}

async fn pull(docker: &Docker, image: &str, progress: OnProgress<'_>) -> Result<(), EngineError> {
    progress(format!("pulling {image}"));
    let has_tag = image
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains([':', '@']));
    let options = CreateImageOptions {
        from_image: Some(image.to_owned()),
        // Without a tag the engine would pull all of them.
        tag: (!has_tag).then(|| "latest".to_owned()),
        ..CreateImageOptions::default()
    };
    let mut stream = docker.create_image(Some(options), None, None);
    while let Some(news) = stream.next().await {
        let news = news?;
        if let Some(error) = news.error_detail.and_then(|detail| detail.message) {
            return Err(EngineError::DockerStreamError { error });
        }
        if let (Some(status), Some(layer)) = (news.status, news.id)
            && status.ends_with("complete")
        {
            progress(format!(
                "pulling {image}: {layer} {}",
                status.to_lowercase()
            ));
        }
    }
    Ok(())
}
