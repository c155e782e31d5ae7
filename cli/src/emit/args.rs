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
    /// The function that receives the event.
    pub function: String,
    /// The event's type, such as com.example.bid.
    #[arg(long = "type", default_value = "dev.fnlocal.emit", value_name = "TYPE")]
    pub kind: String,
    /// The event's source, as a URI or a path.
    #[arg(long, default_value = "/fnlocal/emit")]
    pub source: String,
    /// The event's subject.
    #[arg(long)]
    pub subject: Option<String>,
    /// The event's id [default: a random one].
    #[arg(long)]
    pub id: Option<String>,
    /// The event's data: text, @FILE, or @- for stdin.
    #[arg(long, default_value = "{}")]
    pub data: String,
    /// The media type of the data [default: JSON, text or bytes, by what the data parses as].
    #[arg(long)]
    pub content_type: Option<String>,
    /// Send the whole event as one JSON document.
    #[arg(long)]
    pub structured: bool,
    /// Put the event into the queue, which retries if the function fails.
    #[arg(long = "async")]
    pub deferred: bool,
    /// Run events with the same key one after the other; needs --async.
    #[arg(long, requires = "deferred", value_name = "KEY")]
    pub order_key: Option<String>,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    pub folder: PathBuf,
    /// Print the answer as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
