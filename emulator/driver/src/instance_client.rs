//! Calls to a wrapper outside the user's requests: prime, assign, idle.

use fnlocal_api::headers as api_headers;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::time::bounded_millis;
use fnlocal_core::{CodeHash, Event, FunctionId, InstanceId, RequestId, Retry};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use tracing::{Span, info};

use super::effects::millis;
use super::exchange::{Connection, RequestBody};
use super::ticket::RunningRequest;
use super::{Driver, Function, Instance, PackageCode};
use fnlocal_api::{Failure, Timing, read_failure};
use fnlocal_logs::Record;
use fnlocal_project::{BodyMode, DescribedModule, Description};

/// How long an import may take: longer than any function's own timeout is no use.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest description of a package, in bytes.
const MAX_REPLY_BYTES: usize = 8 << 20;
/// How long after a connection broke the runtime may take to say why the instance ended.
pub const EXIT_REASON_GRACE: Duration = Duration::from_millis(1500);

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    import_ms: f64,
    /// How long the import took, as far as that can be.
    #[serde(skip)]
    import: Duration,
    #[serde(default)]
    modules: Description,
    #[serde(default, deserialize_with = "read_failure")]
    error: Option<Failure>,
}

/// Why an import has no answer that can be used.
enum AssignError {
    /// The connection broke: most likely the instance ended.
    Broke(String),
    /// The answer could not be understood.
    Answer(String),
}

impl Driver {
    /// Has an instance import all code of its package and describe it.
    pub(super) async fn prime(self: Rc<Self>, id: InstanceId, code: CodeHash) {
        let Some(instance) = self.instance(id) else {
            return;
        };
        let body = self.assignment(&instance, code, None);
        let entries = self.code_of(&instance, code).entries;
        instance.set_code(code);
        let (described, alive) = match self.call_assign(&instance, body).await {
            Ok(reply) => {
                let modules = reply.modules.of_entries(&entries);
                let import_ms = millis(reply.import);
                info!(import_ms, modules = modules.len(), "imported");
                instance.add_import(reply.import);
                (Ok(modules), true)
            }
            Err(failure) => (Err(failure), false),
        };
        let described = self.localised(&instance, code, described);
        let functions = self.describe.describe(
            instance.package,
            code,
            described,
            &mut self.functions.borrow_mut(),
        );
        let functions = self.under_inspection(functions);
        self.handle(Event::Primed {
            instance: id,
            code,
            functions,
        });
        self.described.send_modify(|count| *count += 1);
        if !alive {
            self.give_up(id).await;
        }
    }

    /// Binds an instance to a function.
    pub(super) async fn assign(self: Rc<Self>, id: InstanceId, to: FunctionId, code: CodeHash) {
        let Some(instance) = self.instance(id) else {
            return;
        };
        let Some(function) = self.function(to) else {
            // Removed meanwhile; the core stops the instance when it hears of it.
            self.handle(Event::AssignFailed { instance: id });
            return;
        };
        Span::current().record("function", &*function.name);
        let body = self.assignment(&instance, code, Some(&function));
        instance.set_code(code);
        match self.call_assign(&instance, body).await {
            Ok(reply) => {
                info!(import_ms = millis(reply.import), "imported");
                let files = self.files_of(instance.package, code);
                let name = Arc::clone(&function.name);
                instance.bind(function, code, &files, reply.import);
                self.counts.started(&started(&instance));
                self.handle(Event::Assigned { instance: id });
                // The request does not wait for it.
                self.runtime.name_after(id, name).await;
            }
            Err(mut failure) => {
                info!("could not be imported");
                self.localise(&instance, code, &mut failure);
                self.logs.send(Record::ImportFailed {
                    function: function.name.clone(),
                    failure: failure.clone(),
                });
                function.fail(failure);
                self.handle(Event::AssignFailed { instance: id });
            }
        }
    }

    /// Waits until an instance no longer works for a request whose client left, then gives its
    /// place back.
    pub(super) fn release_when_over(self: &Rc<Self>, request: RequestId, running: RunningRequest) {
        // Other requests may keep the instance busy for as long as it lives.
        let path = format!("/_fnlocal/idle?request={}", running.name());
        let driver = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let request_idle = control(running.instance(), Method::GET, &path, None);
            let event = match request_idle.await {
                Ok((response, _)) if response.status().is_success() => Event::Released { request },
                _ => Event::RequestFailed {
                    request,
                    retry: Retry::No,
                },
            };
            driver.handle(event);
        });
    }

    /// Errors with paths as the person knows them.
    fn localised(
        &self,
        instance: &Instance,
        code: CodeHash,
        mut described: Result<Vec<DescribedModule>, Failure>,
    ) -> Result<Vec<DescribedModule>, Failure> {
        match &mut described {
            Ok(modules) => {
                let errors = modules.iter_mut().filter_map(|one| one.error.as_mut());
                errors.for_each(|failure| self.localise(instance, code, failure));
            }
            Err(failure) => self.localise(instance, code, failure),
        }
        described
    }

    /// A line with paths as the person knows them.
    pub(super) fn as_shown(&self, instance: &Instance, line: &str) -> String {
        let mut failure = Failure::plain(line, None);
        if let Some(code) = instance.code() {
            self.localise(instance, code, &mut failure);
        }
        failure.message
    }

    pub(super) fn localise(&self, instance: &Instance, code: CodeHash, failure: &mut Failure) {
        let packages = self.packages.borrow();
        if let (Some(package), Some(started)) =
            (packages.get(&instance.package), instance.started())
            && let Some(code) = package.codes.get(&code)
        {
            let seen = format!("{}/", code.path(&started.code_root));
            failure.rebase(&seen, &package.shown_root);
        }
    }

    fn code_of(&self, instance: &Instance, code: CodeHash) -> PackageCode {
        let packages = self.packages.borrow();
        let package = packages.get(&instance.package);
        let code = package.and_then(|package| package.codes.get(&code).cloned());
        code.unwrap_or_default()
    }

    fn assignment(
        &self,
        instance: &Instance,
        code: CodeHash,
        function: Option<&Function>,
    ) -> serde_json::Value {
        let packages = self.packages.borrow();
        let package = packages.get(&instance.package);
        let code = self.code_of(instance, code);
        let started = instance.started();
        let path = started.map(|started| code.path(&started.code_root));
        let settings = function.map(|function| &function.settings);
        let inspect = function.is_some_and(|function| self.is_inspected(function))
            && self.can_be_inspected(instance);
        serde_json::json!({
            "inspect": inspect,
            "code": path.unwrap_or_default(),
            "package_name": package.map(|package| &package.run.name),
            "entries": code.entries,
            "function": function.map(|function| &*function.name),
            "env": function.map(|function| function.env.clone()).unwrap_or_default(),
            "timeout_ms": settings.map(|settings| settings.limits.timeout.as_millis()),
            "concurrency": settings.map(|settings| settings.limits.concurrency),
            "body_limit": settings.map(|settings| settings.body_limit),
            "signature": settings.and_then(|settings| settings.triggers.signature),
            "lambda_event": settings.map(|settings| settings.triggers.lambda_event),
            "memory_mib": settings.map(|settings| settings.limits.memory_mib),
            "body": match settings.map(|settings| settings.body) {
                Some(BodyMode::Stream) => "stream",
                _ => "parsed",
            },
        })
    }

    async fn call_assign(
        &self,
        instance: &Rc<Instance>,
        body: serde_json::Value,
    ) -> Result<Reply, Failure> {
        let began = std::time::Instant::now();
        let call = tokio::time::timeout(IMPORT_TIMEOUT, ask_assign(instance, &body));
        let mut failure = match call.await {
            Ok(Ok(mut reply)) => {
                reply.import = bounded_millis(reply.import_ms).min(began.elapsed());
                return match reply.error.take() {
                    Some(failure) => Err(failure),
                    None => Ok(reply),
                };
            }
            Ok(Err(AssignError::Broke(cause))) => Self::died_importing(instance, cause).await,
            Ok(Err(AssignError::Answer(what))) => {
                let text = format!("the wrapper's answer to the import {what}");
                Failure::plain(text, None)
            }
            Err(_) => {
                let seconds = IMPORT_TIMEOUT.as_secs();
                let text = format!("the import did not end within {seconds} s");
                let hint = "move slow work out of the top level of the module";
                Failure::plain(text, Some(hint))
            }
        };
        failure.cut();
        Err(failure)
    }

    async fn died_importing(instance: &Instance, cause: String) -> Failure {
        let end = instance.end(EXIT_REASON_GRACE).await;
        if let Some(crash) = instance.crash() {
            return crash;
        }
        let why = end.map_or(cause, |end| end.reason);
        let text = format!("the process ended while it imported the code: {why}");
        // Only a call that the wrapper saw is a reason to look for one.
        let hint = instance.exit_line().and_then(|line| {
            let (_, call) = line.split_once(" called ")?;
            Some(format!(
                "the module called {call} at its top level; remove the call"
            ))
        });
        let mut failure = Failure::plain(text, hint.as_deref());
        let lines = instance.last_lines();
        if !lines.is_empty() {
            failure.frame = Some(lines.join("\n"));
        }
        failure
    }

    async fn give_up(self: &Rc<Self>, id: InstanceId) {
        if self.forget_instance(id).is_some() {
            self.runtime.stop(id, Duration::ZERO).await;
            self.handle(Event::InstanceDied { instance: id });
        }
    }
}

/// Asks a wrapper to import code. The connection is kept for requests.
async fn ask_assign(
    instance: &Rc<Instance>,
    body: &serde_json::Value,
) -> Result<Reply, AssignError> {
    let asked = control(instance, Method::POST, "/_fnlocal/assign", Some(body)).await;
    let (response, connection) = asked.map_err(AssignError::Broke)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_REPLY_BYTES)
        .collect()
        .await;
    let bytes = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            AssignError::Answer(format!("has more than {} MiB", MAX_REPLY_BYTES >> 20))
        } else {
            AssignError::Broke(error.to_string())
        }
    })?;
    let reply: Reply = serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| AssignError::Answer(format!("cannot be read: {error}")))?;
    if reply.error.is_none() && !status.is_success() {
        let what = format!("has status {} and no error", status.as_u16());
        return Err(AssignError::Answer(what));
    }
    instance.put_connection(connection);
    Ok(reply)
}

/// Returns the time until an instance had its function.
fn started(instance: &Instance) -> Timing {
    let started = instance.started();
    Timing {
        create: started.map(|started| started.create).unwrap_or_default(),
        boot: started.map(|started| started.boot).unwrap_or_default(),
        import: instance.import(),
        ..Timing::default()
    }
}

/// One control call, on a connection of its own, which is the instance's first to serve on if
/// the caller gives it back once the answer is read.
pub(super) async fn control(
    instance: &Rc<Instance>,
    method: Method,
    path: &str,
    body: Option<&serde_json::Value>,
) -> Result<(Response<Incoming>, Connection), String> {
    let started = instance.started().ok_or("it was never started")?;
    let mut connection = Connection::open(&started.address)
        .await
        .map_err(|error| error.to_string())?;
    let mut request = Request::new(body.map_or(RequestBody::Empty, RequestBody::json));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|_| "no path")?;
    let headers = request.headers_mut();
    headers.insert(
        http::header::HOST,
        http::HeaderValue::from_static("instance"),
    );
    let token = http::HeaderValue::from_str(&started.token).map_err(|error| error.to_string())?;
    headers.insert(api_headers::TOKEN, token);
    if body.is_some() {
        let json = http::HeaderValue::from_static("application/json");
        headers.insert(http::header::CONTENT_TYPE, json);
    }
    let response = connection
        .send(request)
        .await
        .map_err(|error| error.cause)?;
    Ok((response, connection))
}
