//! Why there is no run.

use std::io;
use std::path::PathBuf;

/// The reason why there is no run. All errors are reported before any load is sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadTestError {
    /// The URL is none.
    #[error("`{url}` cannot be a target: {why}")]
    BadUrl {
        /// The given URL.
        url: String,
        /// Why not.
        why: String,
    },
    /// Its name is unknown.
    #[error("the name `{host}` cannot be resolved")]
    Dns {
        /// The host.
        host: String,
        source: io::Error,
    },
    /// The target does not answer.
    #[error("{url} does not answer")]
    Down {
        /// The target.
        url: String,
        source: io::Error,
    },
    /// No encrypted connection can be made.
    #[error("no encrypted connection to {url} can be made")]
    Tls {
        /// The target.
        url: String,
        source: io::Error,
    },
    /// A function is unknown to the target.
    #[error("there is no function `{name}` at {url}")]
    UnknownFunction {
        /// Its name.
        name: String,
        /// The target.
        url: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Cold starts need a local gateway.
    #[error("cold starts cannot be forced at {url}")]
    NoCold {
        /// The target.
        url: String,
        why: String,
    },
    /// An environment's target is not known.
    #[error("the environment `{env}` cannot be found: {why}")]
    Env {
        /// Its name.
        env: String,
        /// Why not.
        why: String,
        /// One action that helps.
        hint: String,
    },
    /// A file cannot be read or written.
    #[error("could not {what} {}", path.display())]
    File {
        /// Read or write.
        what: &'static str,
        /// The file.
        path: PathBuf,
        source: io::Error,
    },
    /// A file is no report.
    #[error("{} is not a report of fnlocal loadtest", path.display())]
    NotAReport {
        /// The file.
        path: PathBuf,
        source: serde_json::Error,
    },
    /// goose refused.
    #[error("the users could not be started")]
    Users(#[source] Box<goose::GooseError>),
    /// A thread could not be started.
    #[error("the load generator could not be started")]
    Thread(#[source] io::Error),
}

fnlocal_api::user_error!(LoadTestError {
    Self::BadUrl { .. } => "write it like http://127.0.0.1:9000", Usage;
    Self::Dns { .. } => "check the name and the network", Unreachable;
    Self::Down { .. } => "start it, for example with `fnlocal dev`", Unreachable;
    Self::Tls { .. } => "its certificate must be valid for its name and trusted by this machine; \
        http:// is for targets without TLS", Unreachable;
    Self::UnknownFunction { name, known, .. } => suggested(name, known), Usage;
    Self::NoCold { .. } => "run it against a local `fnlocal dev`";
    Self::Env { hint, .. } => hint.clone(), Unreachable;
    Self::File { what: "write", .. } => "choose an existing folder that you may write to";
    Self::File { .. } => "give a file that `--save` wrote";
    Self::NotAReport { .. } => "give a file that `--save` of this version wrote";
    Self::Users(_) | Self::Thread(_) => None;
});

/// The function that may be meant, else those there are.
fn suggested(name: &str, known: &[String]) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match crate::words::nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "no function is loaded there".to_owned(),
        None => format!("the functions are: {}", known.join(", ")),
    }
}
