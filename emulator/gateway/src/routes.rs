//! From a request to its function, by the project's routes and functions' names.

use std::rc::Rc;

use fnlocal_core::route_table::{RouteLookup, RouteMatch};
use http::{HeaderName, HeaderValue, Request, StatusCode};

use super::client_body::ClientBody;
use super::peers::proves;
use super::platform::TOKEN_HEADER;
use super::{Gateway, Problem, headers};
use fnlocal_driver::Function;

/// Headers of the platform that a request brings to its instance, kept in its extensions while
/// those of its client are removed.
#[derive(Clone, Debug, Default)]
pub(super) struct InstanceHeaders(pub Vec<(HeaderName, HeaderValue)>);

impl Gateway {
    /// The function of a request, and the headers that tell its instance of that.
    pub(super) fn target(
        &self,
        request: &Request<ClientBody>,
        name: &str,
    ) -> Result<(Rc<Function>, InstanceHeaders), Problem> {
        let (method, path) = (request.method().as_str(), request.uri().path());
        let found = self
            .driver
            .with_functions(|known| known.routes().find(method, path));
        let own = || self.driver.find(name);
        match found {
            RouteLookup::None => Ok((self.named(name)?, InstanceHeaders::default())),
            RouteLookup::Found(RouteMatch { vague: true, .. })
            | RouteLookup::Methods { vague: true, .. }
                if own().is_some() =>
            {
                Ok((self.named(name)?, InstanceHeaders::default()))
            }
            RouteLookup::Found(route) => Ok((self.named(&route.function)?, told(&route))),
            RouteLookup::Methods { allowed, .. } => {
                let what = format!("the routes of {path} are for {}", allowed.join(", "));
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", what);
                Err(problem.hint("add the method to `methods` of its [[routes]] in fnlocal.toml"))
            }
        }
    }

    /// The word by which `fnlocal invoke --event` has a body taken for a Lambda handler's event. A
    /// client without the run's token has none.
    pub(super) fn event_word(
        &self,
        request: &Request<ClientBody>,
        from_node: bool,
    ) -> Option<(HeaderName, HeaderValue)> {
        let word = request.headers().get(headers::EVENT)?;
        let token = HeaderValue::from_str(&self.token).ok();
        let token = token.filter(|token| !token.is_empty());
        let given = request.headers().get(TOKEN_HEADER);
        let proven = token
            .zip(given)
            .is_some_and(|(token, given)| proves(&token, given));
        (from_node || proven).then(|| (headers::EVENT, word.clone()))
    }
}

/// The headers that tell an instance its request's route.
pub(super) fn told(route: &RouteMatch) -> InstanceHeaders {
    let params: Vec<String> = route
        .params
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('+', "%2B").replace('&', "%26")))
        .collect();
    let all = [
        (headers::ROUTE, route.key.clone()),
        (headers::PARAMS, params.join("&")),
    ];
    let sent = all.into_iter().filter(|(_, value)| !value.is_empty());
    InstanceHeaders(
        sent.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
            .collect(),
    )
}
