//! From a name to its function, and the answer for a client if there is none.

use std::borrow::Cow;
use std::rc::Rc;

use http::StatusCode;

use super::{Gateway, Problem};
use fnlocal_driver::Function;
use fnlocal_project::MAX_FUNCTION_NAME;

/// Functions that are named to a client whose function is not there.
const MAX_NAMES_SHOWN: usize = 20;

impl Gateway {
    /// The function of a name, or the default one.
    pub(super) fn named(&self, name: &str) -> Result<Rc<Function>, Problem> {
        let known = (name.len() <= MAX_FUNCTION_NAME).then(|| self.driver.find(name));
        if let Some(function) = known.flatten() {
            return Ok(function);
        }
        if let Some(function) = self.driver.default_function() {
            return Ok(function);
        }
        Err(self.not_found(name))
    }

    /// A function's page must not rule over the pages of others. The default function's may: all
    /// paths that no other function has are its own.
    pub(super) fn no_worker(&self, name: &str) -> Result<Rc<Function>, Problem> {
        let function = self.named(name)?;
        if *function.name != *name {
            return Ok(function);
        }
        let what = "a service worker of this path would rule over every function's pages";
        let problem = Problem::new(StatusCode::FORBIDDEN, "service_worker", what);
        let hint = format!("serve its script below /{name}/");
        Err(problem.function(name).hint(hint))
    }

    fn not_found(&self, name: &str) -> Problem {
        if let Some(failure) = self
            .driver
            .with_functions(|known| known.nameless_failure(name))
        {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let mut problem = Problem::new(status, "import_failed", failure.summary());
            problem.hint = failure.hint.clone();
            return problem.function(&cut(name, MAX_FUNCTION_NAME));
        }
        let functions = self.driver.with_functions(|functions| {
            let (names, count) = functions.names(MAX_NAMES_SHOWN);
            let broken: Vec<String> = functions.broken_files().map(str::to_owned).collect();
            (functions.nearest(name), names, count, broken)
        });
        let hint = match functions {
            (Some(nearest), ..) => format!("did you mean /{nearest}?"),
            (None, .., broken) if !broken.is_empty() => {
                let files = broken.join(", ");
                format!("functions of {files} are unknown, because the code cannot be imported")
            }
            (None, names, ..) if names.is_empty() => "no function is loaded".to_owned(),
            (None, names, count, _) => {
                let more = match count - names.len() {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                format!("the functions are: /{}{more}", names.join(", /"))
            }
        };
        let detail = if name.is_empty() {
            "no function is named as the default for `/`".to_owned()
        } else {
            let name = cut(name, MAX_FUNCTION_NAME);
            format!("there is no function named `{name}`")
        };
        Problem::new(StatusCode::NOT_FOUND, "unknown_function", detail).hint(hint)
    }
}

/// The beginning of a text that is longer than `bytes`, with its whole length behind it.
pub(super) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(bytes);
    Cow::Owned(format!("{}… ({} bytes)", &text[..end], text.len()))
}
