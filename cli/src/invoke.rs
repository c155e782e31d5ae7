//! `fnlocal invoke`: calls a function of a running fnlocal, and shows what the call cost.

mod answer;
mod args;
mod body;

pub use args::{EXAMPLES, InvokeArgs};

use std::time::{Duration, Instant};

use fnlocal_api::headers as api_headers;
use fnlocal_project::Running;
use http::{HeaderValue, Method, StatusCode, header};

use crate::error::{CliError, CommandResult};
use crate::features::base_url;
use crate::run::warn;
use crate::{running, wait};

use answer::StreamedAnswer;
use body::InvokeBody;

/// How often the gateway is asked whether everything has stopped.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Looks after which a function that does not get cold is called anyway.
const LOOKS: u32 = 500;

/// Why no call was made.
#[derive(Debug, thiserror::Error)]
enum InvokeError {
    #[error("the body could not be read from {from}")]
    Body {
        from: String,
        source: std::io::Error,
    },
    #[error("the event in {from} is no JSON")]
    Event {
        from: String,
        source: serde_json::Error,
    },
    #[error("the fnlocal at {url} did not stop idle instances of {function}: it answered {status}")]
    NotCold {
        url: String,
        function: String,
        status: StatusCode,
    },
    #[error("{url}, the endpoint of {env}, does not answer")]
    Closed {
        url: String,
        env: String,
        source: reqwest::Error,
    },
}

fnlocal_api::user_error!(InvokeError {
    Self::Body { .. } => "--file and --event want a file that is there, or - for stdin", Usage;
    Self::Event { .. } => "write the event as AWS Lambda would get it", Usage;
    Self::NotCold { .. } => "`fnlocal ps` lists the functions it has";
    Self::Closed { env, .. } => format!("`fnlocal status --env {env}` shows its nodes"), Unreachable;
});

/// The callee.
enum Callee {
    /// The fnlocal that runs on this machine.
    Here(Running),
    /// An environment on AWS.
    There { env: String, url: String },
}

impl Callee {
    fn url(&self) -> &str {
        match self {
            Self::Here(running) => &running.url,
            Self::There { url, .. } => url,
        }
    }

    fn silent(&self, source: reqwest::Error) -> CliError {
        match self {
            Self::Here(running) => running::silent(running, source).into(),
            Self::There { env, url } => InvokeError::Closed {
                url: url.clone(),
                env: env.clone(),
                source: source.without_url(),
            }
            .into(),
        }
    }
}

/// Calls it.
pub fn run(args: &InvokeArgs) -> CommandResult {
    let body = InvokeBody::read(args)?;
    wait::until_done(async {
        let callee = match &args.env_name {
            None => Callee::Here(Running::find(&args.folder)?),
            Some(env) => {
                let url = base_url(&args.folder, env).await?;
                let env = env.clone();
                Callee::There { env, url }
            }
        };
        call(args, &callee, body).await
    })?
}

async fn call(args: &InvokeArgs, callee: &Callee, body: Option<InvokeBody>) -> CommandResult {
    let client = match callee {
        Callee::Here(_) => running::client(),
        Callee::There { .. } => reqwest::Client::builder().build(),
    };
    let client = client.map_err(|error| callee.silent(error))?;
    if let (true, Callee::Here(running)) = (args.cold, callee) {
        chill(&client, running, &args.function).await?;
    }
    let method = args.method.clone().unwrap_or(match body {
        Some(_) => Method::POST,
        None => Method::GET,
    });
    let mut request = client.request(method, url(callee.url(), args));
    let named = |name| args.headers.iter().any(|(given, _)| given == name);
    if let Some(body) = body {
        if !named(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, body.kind());
        }
        request = request.body(body.bytes);
    }
    if !named(header::USER_AGENT) {
        let agent = concat!("fnlocal/", env!("CARGO_PKG_VERSION"));
        request = request.header(header::USER_AGENT, HeaderValue::from_static(agent));
    }
    for (name, value) in &args.headers {
        request = request.header(name, value);
    }
    if let (true, Callee::Here(running)) = (args.event.is_some(), callee) {
        request = request.header(api_headers::EVENT, "lambda");
        request = request.header(api_headers::TOKEN, &running.token);
    }
    let began = Instant::now();
    let response = request.send().await;
    let response = response.map_err(|error| callee.silent(error))?;
    let answer = StreamedAnswer::new(args, response, began);
    if args.json {
        answer.print_json().await
    } else {
        answer.print().await
    }
}

fn url(base: &str, args: &InvokeArgs) -> String {
    let name = args.function.trim_matches('/');
    let path = &args.path;
    let slash = if path.is_empty() || path.starts_with(['/', '?']) {
        ""
    } else {
        "/"
    };
    format!("{base}/{name}{slash}{path}")
}

/// Has what the next request could be given stopped, and waits until it is gone.
async fn chill(
    client: &reqwest::Client,
    running: &Running,
    function: &str,
) -> Result<(), CliError> {
    for look in 0..LOOKS {
        // An instance that was still busy, or importing, is stopped by asking again.
        if look % 50 == 0 {
            let status = running::chill(client, running, function).await?;
            if status != StatusCode::NO_CONTENT {
                let error = InvokeError::NotCold {
                    url: running.url.clone(),
                    function: function.to_owned(),
                    status,
                };
                return Err(error.into());
            }
        }
        if running::view(client, running).await?.is_cold(function) {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let text = format!("{function} still has instances; this may be no cold start");
    warn(&text, Some("other requests keep it busy"));
    Ok(())
}
