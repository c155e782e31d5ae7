//! Checks of `[loadtest]` that serde cannot make.
//!
//! Deliberately absent: whether a function or a body file exists. `dev` must run without them;
//! `fnlocal loadtest` looks before it sends anything.

use super::super::config::LoadRequestConfig;
use super::super::diagnostics::FileError;
use super::super::names;
use super::ConfigFile;

impl ConfigFile {
    pub(super) fn check_loadtest(&self) -> Result<(), FileError> {
        for (name, scenario) in &self.config.loadtest.scenarios {
            let table = ["loadtest", "scenarios", name];
            if scenario.requests.is_empty() {
                let error = self.error_at(&table, format!("scenario `{name}` has no requests"));
                return Err(error.with_hint(Some(format!(
                    "add\n\n    [[loadtest.scenarios.{name}.requests]]\n    function = \"NAME\""
                ))));
            }
            for (at, request) in scenario.requests.iter().enumerate() {
                if let Err((key, message)) = check_request(request) {
                    let at = at.to_string();
                    let keys: Vec<&str> = table.into_iter().chain(["requests", &at, key]).collect();
                    return Err(self.error_at(&keys, message));
                }
            }
        }
        Ok(())
    }
}

/// The key that is wrong, and what is wrong with it.
fn check_request(request: &LoadRequestConfig) -> Result<(), (&'static str, String)> {
    let wrong = |key, what: &str| Err((key, format!("`{key}` {what}")));
    if !names::is_function(&request.function) {
        let message = format!("`{}` cannot be a function's name", request.function);
        return Err(("function", message));
    }
    let method = request.method.as_deref().unwrap_or("GET");
    if http::Method::from_bytes(method.as_bytes()).is_err() {
        return wrong("method", "is no HTTP method");
    }
    if let Some(path) = request.path.as_deref()
        && !path.is_empty()
        && !path.starts_with(['/', '?'])
    {
        return wrong("path", "must begin with `/` or `?`: it follows /NAME");
    }
    if let Some(bad) = request
        .headers
        .keys()
        .find(|name| http::HeaderName::try_from(name.as_str()).is_err())
    {
        return Err(("headers", format!("`{bad}` cannot be a header's name")));
    }
    if request.body.is_some() && request.body_file.is_some() {
        return wrong("body_file", "cannot be given together with `body`");
    }
    Ok(())
}
