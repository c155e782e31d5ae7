//! The sources that need no SDK of a cloud, and what makes each from its description.

mod folder;
mod postgres;
mod redis;

use std::path::Path;

use fnlocal_core::trigger::{SourceKind, SourceSpec};

pub use folder::FolderSource;
pub use postgres::Postgres;
pub use redis::RedisStream;

use crate::source::Source;

/// Makes a source that needs an SDK of a cloud, with its URL if it has one. `None` for other kinds.
pub type MakeSource = fn(&SourceSpec, Option<&str>) -> Option<Box<dyn Source>>;

/// The inputs of a source besides its description.
#[derive(Clone, Copy, Debug)]
pub struct SourceContext<'a> {
    /// The folder that folders are relative to. `None` on a node, which has none.
    pub root: Option<&'a Path>,
    /// The project's name, which is the consumer group without another.
    pub project: &'a str,
    /// The URL of its server.
    pub url: Option<&'a str>,
    /// Makes what needs an SDK of a cloud.
    pub more: Option<MakeSource>,
}

impl SourceContext<'_> {
    /// Makes a source.
    ///
    /// # Errors
    /// Why it cannot be made, for people, with a hint.
    pub fn make(&self, spec: &SourceSpec) -> Result<Box<dyn Source>, String> {
        Ok(match spec.source {
            SourceKind::Folder => Box::new(FolderSource::from_spec(spec, self)?),
            SourceKind::Redis => Box::new(RedisStream::from_spec(spec, self)?),
            SourceKind::Postgres => Box::new(Postgres::from_spec(spec, self)?),
            SourceKind::Sqs | SourceKind::S3 => self.of_cloud(spec)?,
        })
    }

    fn of_cloud(&self, spec: &SourceSpec) -> Result<Box<dyn Source>, String> {
        let made = self.more.and_then(|make| make(spec, self.url));
        let word = spec.source.word();
        made.ok_or_else(|| {
            format!(
                "sources of kind `{word}` need `aws`, which this fnlocal was built without\n  \
                 hint: install or build one with it: `--features aws`"
            )
        })
    }

    /// Returns the URL of a source's server, which must be one that is reached without TLS.
    fn server(&self, spec: &SourceSpec) -> Result<String, String> {
        let word = spec.source.word();
        let none = || format!("its source of kind `{word}` has no URL");
        let url = self.url.ok_or_else(none)?;
        if wants_tls(url) {
            return Err(format!(
                "its source `{}` is at a URL that asks for TLS, which is not supported\n  \
                 hint: reach it by a private network, a unix socket, or a proxy that does TLS",
                spec.name
            ));
        }
        Ok(url.to_owned())
    }
}

/// Returns whether a server must be reached by TLS only.
fn wants_tls(url: &str) -> bool {
    let modes = ["require", "verify-ca", "verify-full"];
    let asked = modes.map(|mode| format!("sslmode={mode}"));
    url.starts_with("rediss:") || asked.iter().any(|asked| url.contains(asked))
}

#[cfg(test)]
mod tests {
    use super::wants_tls;

    #[test]
    fn a_source_url_that_requires_tls_is_recognised() {
        assert!(wants_tls("rediss://db:6380"));
        assert!(wants_tls("postgres://u@db/app?sslmode=require"));
        assert!(wants_tls("host=db sslmode=verify-full"));
        assert!(!wants_tls("redis://db"));
        assert!(!wants_tls("postgres://u@db/app?sslmode=prefer"));
    }
}
