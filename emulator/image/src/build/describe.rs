//! The exports of a package, read from its code.
//!
//! The code is imported in a container, see [`super::container`], and never on this machine: it may
//! be anybody's. The answer is kept in a record for the same code, dependencies, wrapper, base and
//! settings.

mod placeholder;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fnlocal_registry::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

use super::code::FOLDER;
use super::container::{self, Subject};
use super::error::{BuildError, bug};
use super::labels;
use super::layers::Stack;
use super::report::Described;
use super::{Site, layers};
use crate::base::inspect;
use crate::oci::content;
use crate::oci::layer::{self, Layer};
use crate::oci::load::{Loading, load};
use crate::oci::manifest::Stored;
use fnlocal_engine::identity::{local_image, short_hash};
use fnlocal_engine::sending;
use fnlocal_engine::tarball::Tarball;
use fnlocal_project::{DescribedModule, Description, Package};

pub use placeholder::placeholders;

/// The kind of the records with answers.
const KIND: &str = "functions";
/// A change of how code is described asks anew.
const RECIPE: &str = "3";

/// The inputs of a description.
pub(super) struct Question<'a> {
    pub package: &'a Package,
    pub repository: &'a RepositoryName,
    /// Base, dependencies and wrapper, without the code.
    pub below: &'a Stack,
    /// The variables' names, each with a placeholder.
    pub env: BTreeMap<String, String>,
}

impl Question<'_> {
    /// The name of the record for some code: the same for the same code and all it runs upon.
    fn key(&self, source: &Digest) -> String {
        let layers = self.below.layers.iter().map(|built| &built.layer.diff_id);
        let mut texts: Vec<String> = layers.map(ToString::to_string).collect();
        texts.extend([
            source.to_string(),
            json(&self.below.config.env),
            json(&self.env),
            json(&settings(self.package, Path::new(FOLDER))),
            RECIPE.to_owned(),
        ]);
        let parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        short_hash(&parts)
    }

    /// Connects to the engine if the answer has to be asked for, while other things are done.
    pub async fn prepare(&self, site: &Site<'_>, source: &Digest) {
        if site
            .records
            .get::<Vec<DescribedModule>>(KIND, &self.key(source))
            .is_none()
        {
            let _told_when_it_is_needed = site.engine("").await;
        }
    }

    /// Returns what code exports: by a record, else by importing it. `code` is its layer.
    pub async fn answer(
        &self,
        site: &Site<'_>,
        code: &Layer,
    ) -> Result<(Vec<DescribedModule>, Described), BuildError> {
        let key = self.key(&code.diff_id);
        if let Some(modules) = site.records.get(KIND, &key) {
            return Ok((modules, Described::Known));
        }
        let image = self.image(site).await?;
        let subject = Subject {
            package: self.package,
            image: &image,
            env: &self.env,
            at: FOLDER,
        };
        let (store, repository) = (site.store.clone(), self.repository.clone());
        let digest = code.digest.clone();
        let (pieces, writing) = sending::pieces(move |out| {
            let (file, _) = content::open(&store, &repository, &digest)?;
            let tar = MultiGzDecoder::new(io::BufReader::new(file));
            without_folder(tar, out).map_err(layer::full)
        });
        let described = container::describe(site, &subject, pieces).await;
        let written = writing.await.map_err(bug)?;
        // The engine's or the code's own words tell more than that nobody took the rest.
        let described = described?;
        written?;
        site.records.put(KIND, &key, &described);
        Ok((described, Described::Image))
    }

    /// Everything below the code as an image of the engine, by its name. The image stays there for
    /// the next change of code.
    async fn image(&self, site: &Site<'_>) -> Result<String, BuildError> {
        let what = format!("asking {} for its functions", self.package.name);
        let docker = &site.engine(&what).await?.docker;
        let has_deps = self.below.has_deps();
        let labels = labels::below(&site.project.name, has_deps);
        let stored = layers::store(site, self.repository, self.below, &labels)?;
        let name = self.image_name(site, &stored, has_deps);
        if inspect(docker, &name).await?.is_none() {
            let loading = Loading {
                repository: self.repository.clone(),
                manifest: stored.digest,
                name: name.clone(),
            };
            load(docker, &site.store, &loading).await?;
        }
        Ok(name)
    }

    /// A name by content. Packages without dependencies share an image, in all projects.
    fn image_name(&self, site: &Site<'_>, stored: &Stored, has_deps: bool) -> String {
        let tag: String = stored.config.hex().chars().take(12).collect();
        if has_deps {
            site.engine_name(self.repository, &tag)
        } else {
            local_image(&format!("runner:{tag}"))
        }
    }
}

/// The text of a value in a key: the same in every version of fnlocal.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Writes the tar of a code layer anew, with paths as they are inside of the code's folder.
fn without_folder(tar: impl Read, out: impl io::Write) -> io::Result<()> {
    let mut ball = Tarball::new(out);
    let folder = FOLDER.trim_start_matches('/');
    for entry in tar::Archive::new(tar).entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(path) = path.strip_prefix(folder).ok().and_then(Path::to_str) else {
            continue;
        };
        let mode = entry.header().mode()?;
        match entry.header().entry_type() {
            _ if path.is_empty() => {}
            tar::EntryType::Directory => ball.folder(path, mode)?,
            _ => {
                let size = entry.size();
                ball.file(path, mode, size, entry)?;
            }
        }
    }
    ball.finish().map(drop)
}

#[derive(Deserialize)]
struct DescribeAnswer {
    modules: Description,
}

/// The wrapper's settings, for code in a folder.
pub(super) fn settings(package: &Package, code: &Path) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("FNLOCAL_CODE", code.display().to_string()),
        ("FNLOCAL_PACKAGE", package.name.clone()),
    ];
    settings.extend(entries(package).map(|entries| ("FNLOCAL_ENTRIES", entries)));
    settings
}

/// The entries as the wrapper reads them. One with a comma in its name it has to find itself.
fn entries(package: &Package) -> Option<String> {
    let entries = &package.entries;
    let plain = entries.iter().all(|entry| !entry.contains(','));
    plain.then(|| entries.join(","))
}

/// Parses the wrapper's description of a package's entries, if there is one.
pub(super) fn parse(package: &Package, stdout: &[u8]) -> Option<Vec<DescribedModule>> {
    let answer: DescribeAnswer = serde_json::from_slice(stdout).ok()?;
    Some(answer.modules.of_entries(&package.entries))
}

/// The first file that could not be imported, as an error.
pub(super) fn failed(package: &Package, described: &[DescribedModule]) -> Result<(), BuildError> {
    for module in described {
        if let Some(mut failure) = module.error.clone() {
            let root = format!("{}/", package.root.display());
            failure.rebase("/app/", &root);
            return Err(BuildError::Import {
                package: package.name.clone(),
                entry: module.entry.clone(),
                failure: Box::new(failure),
            });
        }
    }
    Ok(())
}
