//! The requests of a scenario, with weights, made from templates.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::template::{Template, Values};

/// Requests that belong together.
#[derive(Clone, Debug)]
pub struct LoadScenario {
    /// Its name.
    pub name: String,
    /// The requests; never empty.
    pub steps: Vec<ScenarioStep>,
}

/// One kind of request.
#[derive(Clone, Debug)]
pub struct ScenarioStep {
    /// The function it is for.
    pub function: String,
    /// How often it is sent, relative to the others.
    pub weight: u32,
    /// Its method.
    pub method: Method,
    /// Its path with the function's name and its query, below the target's URL.
    pub path: Template,
    /// Its headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// Its body.
    pub body: Option<Template>,
    /// How long a user waits after the answer.
    pub think: Duration,
    /// The condition under which a response is no error.
    pub expect: Expect,
}

/// The condition under which a response is no error.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// One of these statuses; any below 400 when none.
    pub status: Vec<u16>,
    /// A text its body contains.
    pub body: Option<String>,
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub struct Filled {
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
}

impl ScenarioStep {
    /// A GET of a function.
    #[must_use]
    pub fn get(function: &str) -> Self {
        let path = Template::parse(&format!("/{function}"));
        Self {
            function: function.to_owned(),
            weight: 1,
            method: Method::GET,
            path: path.expect("a function's name has no braces").into_path(),
            headers: Vec::new(),
            body: None,
            think: Duration::ZERO,
            expect: Expect::default(),
        }
    }

    /// The request to send now. A header whose filled value no header may have is left out.
    #[must_use]
    pub fn fill(&self, values: Values) -> Filled {
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let value = HeaderValue::from_str(&value.fill(values)).ok()?;
            Some((name.clone(), value))
        });
        Filled {
            path: self.path.fill(values),
            headers: headers.collect(),
            body: self
                .body
                .as_ref()
                .map_or_else(Bytes::new, |body| Bytes::from(body.fill(values))),
        }
    }

    /// The request in a line, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let path = self.path.fill(Values { seq: 1, user: 1 });
        let body = match &self.body {
            Some(body) => {
                let size = body.fill(Values { seq: 1, user: 1 }).len();
                format!(" with a body of {size} bytes")
            }
            None => String::new(),
        };
        format!("{} {path}{body}", self.method)
    }
}

impl Expect {
    /// Why an answer is an error, if it is one.
    #[must_use]
    pub fn verdict(&self, status: StatusCode, body: Option<&[u8]>) -> Option<UnmetExpectation> {
        let fine = match self.status.as_slice() {
            [] => status.as_u16() < 400,
            wanted => wanted.contains(&status.as_u16()),
        };
        if !fine {
            return Some(UnmetExpectation::Status);
        }
        let wanted = self.body.as_deref()?.as_bytes();
        let found = body.unwrap_or_default();
        let holds = wanted.is_empty() || found.windows(wanted.len()).any(|part| part == wanted);
        (!holds).then_some(UnmetExpectation::Body)
    }
}

/// The part of a response that is not as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmetExpectation {
    /// Its status.
    Status,
    /// Its body.
    Body,
}

impl LoadScenario {
    /// Steps by weight: the step of a number below [`Self::weights`].
    #[must_use]
    pub fn pick(&self, mut number: u64) -> usize {
        for (at, step) in self.steps.iter().enumerate() {
            let weight = u64::from(step.weight);
            if number < weight {
                return at;
            }
            number -= weight;
        }
        0
    }

    /// The sum of all weights.
    #[must_use]
    pub fn weights(&self) -> u64 {
        self.steps.iter().map(|step| u64::from(step.weight)).sum()
    }
}
