//! The page's files, as they are in the binary.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("../../dashboard/index.html");

/// Nothing from elsewhere, nothing in the page itself but its one script, nobody around it.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let script = PAGE
        .split_once("<script>")
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let (script, _) = script.expect("the page has one script");
    let digest = BASE64.encode(Sha256::digest(script));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; \
         img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    HeaderValue::try_from(policy).expect("it is plain text")
});

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// A file by its path below `/_fnlocal/`, its type, and what is in it.
type Asset = (&'static str, &'static str, &'static str);

/// A file of the page's folder.
macro_rules! own {
    ($path:literal, $kind:expr) => {
        (
            $path,
            $kind,
            include_str!(concat!("../../dashboard/", $path)),
        )
    };
}

const ASSETS: &[Asset] = &[
    ("", "text/html; charset=utf-8", PAGE),
    own!("style.css", CSS),
    own!("icon.svg", "image/svg+xml"),
    own!("theme.js", JS),
    own!("app.js", JS),
    own!("chart.js", JS),
    own!("dom.js", JS),
    own!("go.js", JS),
    own!("store.js", JS),
    own!("token.js", JS),
    own!("views/errors.js", JS),
    own!("views/fleet.js", JS),
    own!("views/invoke.js", JS),
    own!("views/limits.js", JS),
    own!("views/logs.js", JS),
    own!("views/overview.js", JS),
    own!("views/requests.js", JS),
    own!("views/simulation.js", JS),
    (
        "facts.js",
        JS,
        include_str!(concat!(env!("OUT_DIR"), "/facts.js")),
    ),
    (
        "facts.css",
        CSS,
        include_str!(concat!(env!("OUT_DIR"), "/facts.css")),
    ),
    ("uplot.js", JS, fnlocal_bundles::UPLOT_MODULE),
    ("uplot.css", CSS, fnlocal_bundles::UPLOT_STYLE),
    (
        "uplot-licence.txt",
        "text/plain; charset=utf-8",
        fnlocal_bundles::UPLOT_LICENCE,
    ),
];

/// Returns whether a path is one of theirs.
pub(super) fn has(path: &str) -> bool {
    let below = path.strip_prefix("/_fnlocal/");
    path == "/_fnlocal" || ASSETS.iter().any(|&(known, ..)| below == Some(known))
}

/// Routes to all of them.
pub(super) fn router() -> Router {
    let mut router =
        Router::new().route("/_fnlocal", get(async || Redirect::permanent("/_fnlocal/")));
    for &(path, kind, text) in ASSETS {
        let answer = async move || (headers(kind), text).into_response();
        router = router.route(&format!("/_fnlocal/{path}"), get(answer));
    }
    router
}

fn headers(kind: &'static str) -> [(HeaderName, HeaderValue); 6] {
    let fixed = HeaderValue::from_static;
    [
        (header::CONTENT_TYPE, fixed(kind)),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::X_FRAME_OPTIONS, fixed("DENY")),
        // Another fnlocal may answer here tomorrow.
        (header::CACHE_CONTROL, fixed("no-cache")),
    ]
}
