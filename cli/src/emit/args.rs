//! Arguments of `fnlocal emit`.

use std::path::PathBuf;

/// Shown with `fnlocal emit --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal emit resize --type com.example.upload --data '{\"key\": \"cat.png\"}'
  fnlocal emit resize --data @event.json --structured
  fnlocal emit resize --async --order-key cat.png";

/// Arguments of `fnlocal emit`.
#[derive(Debug, clap::Args)]
pub struct EmitArgs {
    /// The function that gets the event.
    pub function: String,
    /// What happened, such as com.example.bid.
    #[arg(long = "type", default_value = "dev.fnlocal.emit", value_name = "TYPE")]
    pub kind: String,
    /// Where it happened, as a URI or a path.
    #[arg(long, default_value = "/fnlocal/emit")]
    pub source: String,
    /// What it happened to.
    #[arg(long)]
    pub subject: Option<String>,
    /// Its id [default: a random one].
    #[arg(long)]
    pub id: Option<String>,
    /// What there is to say about it: text, @FILE, or @- for what comes on stdin.
    #[arg(long, default_value = "{}")]
    pub data: String,
    /// The media type of the data [default: JSON, text or bytes, whichever it reads as].
    #[arg(long)]
    pub content_type: Option<String>,
    /// Send the whole event as one JSON document.
    #[arg(long)]
    pub structured: bool,
    /// Put it into the queue, which delivers it even if the function fails at first.
    #[arg(long = "async")]
    pub deferred: bool,
    /// Events of one key are run one after the other; with --async.
    #[arg(long, requires = "deferred", value_name = "KEY")]
    pub order_key: Option<String>,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    pub folder: PathBuf,
    /// Print the answer as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
