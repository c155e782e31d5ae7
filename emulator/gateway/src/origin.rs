//! The platform's own origin: a port beside the functions' port.
//!
//! A function's page may do whatever its origin may, so the platform's pages and data are of
//! another one. Two ports of a machine are one site to browsers, hence only requests of the same
//! origin, and links that are followed, pass ([`super::origin_check`]).

use fnlocal_api::headers as api_headers;
use std::net::SocketAddr;
use std::rc::Rc;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use super::client_body::ClientBody;
use super::peers::proves;
use super::platform::TOKEN_HEADER;
use super::{Answer, Peer, Problem, ResponseBody, asks_locally, comes_from_no_other_site};

/// The paths that stay on the functions' port, for balancers and scrapers.
const PUBLIC: [&str; 2] = ["/_fnlocal/health", "/_fnlocal/metrics"];
/// The dashboard.
const PAGE: &str = "/_fnlocal/";
/// The dashboard calls a function by this path, which is followed by the function's own.
const INVOKE: &str = "/_fnlocal/invoke";
/// Says that the dashboard calls. No page of another origin can send it, and nothing that a browser
/// shows as a page is asked for with it.
const BY_PAGE: &str = api_headers::PAGE;

/// Headers of every answer of the platform's origin: nothing frames it, reads it or keeps a handle
/// of it.
const PROTECTION: [(HeaderName, &str); 5] = [
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// Serves the platform's paths, and functions behind [`INVOKE`].
pub trait Platform: Answer {
    /// Answers a request to a path of the platform that may be answered.
    fn answer_platform(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> impl Future<Output = Response<ResponseBody>> + 'static;
}

/// The platform's port. Another user of this machine can connect to it, so all but [`PUBLIC`] paths
/// and the page's files requires the run's token.
pub struct Pages<P> {
    /// The answering side.
    pub platform: Rc<P>,
    /// Other machines are answered too.
    pub open: bool,
    /// The run's token.
    pub token: String,
    /// Returns whether a path is a file of the page, which holds no data.
    pub is_page_file: fn(&str) -> bool,
}

impl<P: Platform> Answer for Pages<P> {
    async fn answer(
        self: Rc<Self>,
        mut request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        let platform = Rc::clone(&self.platform);
        let mut response = match self.admits(&request, peer.address) {
            Err(problem) => problem.response(""),
            Ok(()) if is_below(INVOKE, request.uri().path()) => {
                if let Err(problem) = unwrap_invocation(&mut request) {
                    return problem.response("");
                }
                let mut response = platform.answer(request, peer).await;
                // That header would clear the dashboard's storage.
                response.headers_mut().remove("clear-site-data");
                return response;
            }
            Ok(()) if request.uri().path() == "/" => redirect(PAGE),
            Ok(()) if is_platform(request.uri().path()) => {
                platform.answer_platform(request, peer).await
            }
            Ok(()) => {
                let what = "this port is the platform's, and no function's";
                let problem = Problem::new(StatusCode::NOT_FOUND, "unknown_path", what);
                problem.hint("the dashboard is at /_fnlocal/").response("")
            }
        };
        for (name, value) in PROTECTION {
            // The dashboard's own policy says more.
            let entry = response.headers_mut().entry(name);
            entry.or_insert(HeaderValue::from_static(value));
        }
        response
    }
}

impl<P> Pages<P> {
    fn admits<B>(&self, request: &Request<B>, peer: SocketAddr) -> Result<(), Problem> {
        if self.open {
            comes_from_no_other_site(request)?;
        } else {
            asks_locally(request, peer)?;
        }
        let within = request.headers().get("sec-fetch-dest");
        let framed = ["iframe", "frame", "embed", "object"];
        if within.is_some_and(|within| framed.iter().any(|one| within == one)) {
            let text = "the platform's pages are not shown inside of others";
            return Err(Problem::new(StatusCode::FORBIDDEN, "framed", text));
        }
        let path = request.uri().path();
        // Functions are called without a token on their own port, too.
        let is_open = PUBLIC.contains(&path) || is_below(INVOKE, path) || (self.is_page_file)(path);
        if is_platform(path) && !is_open && !bears(request, &self.token) {
            return Err(no_token());
        }
        Ok(())
    }
}

fn no_token() -> Problem {
    let what = "the platform shows and changes nothing without the run's token";
    Problem::new(StatusCode::UNAUTHORIZED, "token", what).hint(format!(
        "open the dashboard with `fnlocal open`, or send the token of .fnlocal/running.json as \
         {TOKEN_HEADER}"
    ))
}

/// Answers for a path of the platform on the functions' port; none when it may go on there.
///
/// Requests with the run's token that come from no page pass: commands and tests.
pub fn on_functions_port<B>(
    request: &Request<B>,
    token: &str,
    platform: Option<u16>,
) -> Option<Response<ResponseBody>> {
    let path = request.uri().path();
    if PUBLIC.contains(&path) || (bears(request, token) && !is_of_page(request)) {
        return None;
    }
    let what = "the platform's pages and data are not on the functions' port";
    let problem = Problem::new(StatusCode::NOT_FOUND, "other_origin", what);
    let Some(port) = platform else {
        return Some(problem.response(""));
    };
    let origin = format!("http://{}:{port}", host(request));
    if matches!(path, "/_fnlocal" | PAGE) && is_navigation(request) {
        return Some(redirect(&format!("{origin}{PAGE}")));
    }
    let hint = format!("ask {origin}, or send the run's token as {TOKEN_HEADER}");
    Some(problem.hint(hint).response(""))
}

/// Returns whether a browser asks for the script of a service worker whose scope would be the paths
/// of all functions: that of `/NAME` is `/`.
pub(crate) fn is_worker_over_all<B>(request: &Request<B>) -> bool {
    let asked = request.headers().get("service-worker");
    asked.is_some_and(|asked| asked == "script") && !request.uri().path()[1..].contains('/')
}

/// Returns whether a path is the platform's.
pub fn is_platform(path: &str) -> bool {
    is_below("/_fnlocal", path)
}

fn is_below(folder: &str, path: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn bears<B>(request: &Request<B>, token: &str) -> bool {
    let given = request.headers().get(TOKEN_HEADER);
    let token = HeaderValue::from_str(token).ok();
    let known = token.filter(|token| !token.is_empty());
    known
        .zip(given)
        .is_some_and(|(token, given)| proves(&token, given))
}

/// Browsers say at least one of these of what a page asks.
fn is_of_page<B>(request: &Request<B>) -> bool {
    let told = ["origin", "sec-fetch-site", "sec-fetch-mode"];
    told.iter()
        .any(|name| request.headers().contains_key(*name))
}

fn is_navigation<B>(request: &Request<B>) -> bool {
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    looks
        && header("sec-fetch-mode").is_none_or(|mode| mode == b"navigate")
        && header("sec-fetch-dest").is_none_or(|within| within == b"document")
}

/// The name by which the client knows this machine, without a port.
fn host<B>(request: &Request<B>) -> String {
    let given = request.headers().get(header::HOST);
    let given = given.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let authority = given.or_else(|| request.uri().authority().cloned());
    authority.map_or_else(|| "127.0.0.1".to_owned(), |one| one.host().to_owned())
}

fn redirect(to: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    if let Ok(to) = HeaderValue::from_str(to) {
        headers.insert(header::LOCATION, to);
    }
    // Another fnlocal may answer here tomorrow.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Makes the dashboard's call of a function one to the function's own path.
fn unwrap_invocation<B>(request: &mut Request<B>) -> Result<(), Problem> {
    if !request.headers().contains_key(BY_PAGE) {
        let what = "functions are called on their own port";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not_the_page", what));
    }
    let whole = request.uri().path_and_query().map(PathAndQuery::as_str);
    let own = whole.and_then(|whole| whole.strip_prefix(INVOKE));
    let own = own.filter(|own| own.starts_with('/'));
    let uri = own.and_then(|own| own.parse().ok());
    let Some(uri) = uri else {
        let what = "no function's path stands behind /_fnlocal/invoke";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_path", what));
    };
    *request.uri_mut() = uri;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = path.parse().expect("a path");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a value");
            request.headers_mut().insert(*name, value);
        }
        request
    }

    fn status(path: &str, headers: &[(&'static str, &str)]) -> Option<u16> {
        let response = on_functions_port(&request(path, headers), "secret", Some(9001))?;
        Some(response.status().as_u16())
    }

    #[test]
    fn health_and_metrics_are_served_on_the_functions_port() {
        assert_eq!(status("/_fnlocal/health", &[]), None);
        assert_eq!(status("/_fnlocal/metrics", &[]), None);
        assert_eq!(status("/_fnlocal/healthy", &[]), Some(404));
    }

    #[test]
    fn platform_data_on_the_functions_port_requires_the_token_and_is_refused_to_pages() {
        let token = (TOKEN_HEADER, "secret");
        assert_eq!(status("/_fnlocal/view", &[]), Some(404));
        assert_eq!(status("/_fnlocal/view", &[(TOKEN_HEADER, "")]), Some(404));
        assert_eq!(status("/_fnlocal/view", &[token]), None);
        for told in ["origin", "sec-fetch-site", "sec-fetch-mode"] {
            let page = [token, (told, "same-origin")];
            assert_eq!(status("/_fnlocal/view", &page), Some(404), "{told}");
        }
        let none = on_functions_port(&request("/_fnlocal/view", &[token]), "", None);
        assert!(none.is_some(), "an empty token is nobody's");
    }

    #[test]
    fn only_navigations_are_redirected_to_the_dashboard() {
        let browser = [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(status("/_fnlocal/", &browser), Some(307));
        assert_eq!(
            status("/_fnlocal", &[("host", "localhost:9000")]),
            Some(307)
        );
        assert_eq!(
            status("/_fnlocal/", &[("sec-fetch-mode", "cors")]),
            Some(404)
        );
        let framed = [browser[0], ("sec-fetch-dest", "iframe")];
        assert_eq!(status("/_fnlocal/", &framed), Some(404));
        let host = [("host", "[::1]:9000")];
        let led = on_functions_port(&request("/_fnlocal/", &host), "", Some(9001));
        let led = led.expect("it is led away");
        assert_eq!(led.headers()["location"], "http://[::1]:9001/_fnlocal/");
    }

    #[test]
    fn a_dashboard_invocation_is_rewritten_to_a_request_for_the_function() {
        let mut call = request("/_fnlocal/invoke/hi/x?y=1", &[(BY_PAGE, "1")]);
        assert!(unwrap_invocation(&mut call).is_ok());
        assert_eq!(call.uri(), "/hi/x?y=1");
        let mut other = request("/_fnlocal/invoke/hi", &[]);
        assert!(unwrap_invocation(&mut other).is_err());
    }

    #[test]
    fn a_service_worker_script_with_the_scope_of_all_functions_is_detected() {
        let worker = [("service-worker", "script")];
        assert!(is_worker_over_all(&request("/page", &worker)));
        assert!(!is_worker_over_all(&request("/page/worker.js", &worker)));
        assert!(!is_worker_over_all(&request("/page", &[])));
    }
}
