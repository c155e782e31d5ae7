//! Nodes' logs on AWS, as CloudWatch keeps them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use fnlocal_api::Exit;
use fnlocal_cloud::logs::{LogQuery, NodeLogLine, Reader};
use fnlocal_logs::document::{LogDocument, PlatformLine};
use fnlocal_logs::query::Query;
use jiff::{SignedDuration, Timestamp};

use super::{LogOutput, not_printed, query_of};
use crate::cloud::CloudTarget;
use crate::error::{CliError, CommandResult};
use crate::logs::LogsArgs;
use crate::run::warn;
use crate::wait;

/// Between two looks for more. An account may look some times a second, all its people together.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How far back is read when nobody says: CloudWatch searches from the beginning.
const BACK: SignedDuration = SignedDuration::from_secs(3600);
/// The same for a request, whose time is not known.
const REQUEST_BACK: SignedDuration = SignedDuration::from_secs(24 * 3600);

/// Why it ends early.
enum Error {
    Cloud(CliError),
    Print(io::Error),
}

/// Prints what is there, and follows.
pub fn run(args: &LogsArgs, env: &str) -> CommandResult {
    let query = query_of(args)?;
    let back = if args.request.is_some() {
        REQUEST_BACK
    } else {
        BACK
    };
    let query = Query {
        since: query.since.or(Timestamp::now().checked_sub(back).ok()),
        ..query
    };
    let mut output = LogOutput::new(args.json);
    match wait::until_done(print(args, env, &query, &mut output))? {
        Ok(()) => {
            if !output.printed && !args.json {
                nothing(args, &query);
            }
            Ok(Exit::Ok)
        }
        Err(Error::Cloud(error)) => Err(error),
        Err(Error::Print(error)) => not_printed(error),
    }
}

async fn print(
    args: &LogsArgs,
    env: &str,
    query: &Query,
    output: &mut LogOutput,
) -> Result<(), Error> {
    let place = CloudTarget::open(&args.folder, Some(env)).map_err(Error::Cloud)?;
    let aws = place.connect().await.map_err(Error::Cloud)?;
    let wanted = LogQuery {
        since: query.since.map(Timestamp::as_millisecond),
        function: query.function.clone(),
        request: query.request.clone(),
    };
    let mut reader = Reader::new(&aws, &wanted);
    let mut last = VecDeque::new();
    while let Some(events) = reader.next().await.map_err(refused)? {
        for line in events.iter().filter_map(|event| line(event, query)) {
            match query.limit {
                None => output.put(&line).map_err(Error::Print)?,
                Some(limit) => {
                    last.push_back(line);
                    last.drain(..last.len().saturating_sub(limit));
                }
            }
        }
    }
    let last: String = last.into_iter().collect();
    output.put(&last).map_err(Error::Print)?;
    if !args.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        while let Some(events) = reader.next().await.map_err(refused)? {
            let lines = events.iter().filter_map(|event| line(event, query));
            let text: String = lines.collect();
            output.put(&text).map_err(Error::Print)?;
        }
    }
}

fn refused(error: fnlocal_cloud::CloudError) -> Error {
    Error::Cloud(error.into())
}

/// The document of an event with its line feed, if it is wanted. A line that is no document, such
/// as a node's last words, is shown unchanged.
fn line(event: &NodeLogLine, query: &Query) -> Option<String> {
    let kept = serde_json::from_str(&event.text).unwrap_or_else(|_| {
        let time = Timestamp::from_millisecond(event.at).unwrap_or(Timestamp::UNIX_EPOCH);
        LogDocument::Platform(PlatformLine::plain(time, event.text.trim_end()))
    });
    let json = serde_json::to_string(&kept).expect("a document is plain data");
    query.wants(&kept).then(|| format!("{json}\n"))
}

/// A name that is mistyped finds nothing, which nobody notices by itself.
fn nothing(args: &LogsArgs, query: &Query) {
    let of = args.function.as_ref().map(|name| format!(" of `{name}`"));
    let text = format!(
        "nothing was logged{} that matches since {:.0}",
        of.unwrap_or_default(),
        query.since.unwrap_or(Timestamp::UNIX_EPOCH)
    );
    warn(
        &text,
        Some("--since looks further back; CloudWatch shows records some seconds late"),
    );
}
