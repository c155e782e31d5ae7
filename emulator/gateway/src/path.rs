//! From a request's path to a function's name.

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathTarget<'a> {
    /// `/_fnlocal/…`: the platform itself.
    Platform,
    /// `/NAME…`: perhaps a function.
    Named(&'a str),
    /// A path no client sends by accident.
    Refused(&'static str),
}

/// The name in a path, as it was sent: nothing is decoded or normalised, so what the limits were
/// checked for is what the function sees.
#[must_use]
pub fn route(path: &str) -> PathTarget<'_> {
    if !path.starts_with('/') {
        return PathTarget::Refused("the path must begin with a slash");
    }
    let name = path[1..].split('/').next().unwrap_or_default();
    if name == "_fnlocal" {
        return PathTarget::Platform;
    }
    if path.split('/').any(is_dots) {
        return PathTarget::Refused("the path has a `.` or `..` segment");
    }
    if has_encoded_slash(name) || path.contains('\\') {
        return PathTarget::Refused("the function's name has an encoded slash");
    }
    PathTarget::Named(name)
}

fn is_dots(segment: &str) -> bool {
    // The longest spelling of `..` is `%2e%2e`.
    if segment.is_empty() || segment.len() > 6 {
        return false;
    }
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

fn has_encoded_slash(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.windows(3).any(|window| {
        window[0] == b'%'
            && matches!(
                (window[1], window[2].to_ascii_lowercase()),
                (b'2', b'f') | (b'5', b'c')
            )
    })
}

#[cfg(test)]
mod tests {
    use super::{PathTarget, route};

    #[test]
    fn the_first_path_segment_is_the_function_name() {
        assert_eq!(route("/bid"), PathTarget::Named("bid"));
        assert_eq!(route("/bid/7/x"), PathTarget::Named("bid"));
        assert_eq!(route("/"), PathTarget::Named(""));
    }

    #[test]
    fn platform_paths_are_not_routed_to_functions() {
        assert_eq!(route("/_fnlocal"), PathTarget::Platform);
        assert_eq!(route("/_fnlocal/health"), PathTarget::Platform);
        assert_eq!(route("/_fnlocalx"), PathTarget::Named("_fnlocalx"));
    }

    #[test]
    fn dot_segments_are_refused_in_every_encoding() {
        for path in ["/bid/../x", "/..", "/%2e%2E/x", "/bid/.%2e", "/bid/%2e/x"] {
            assert!(matches!(route(path), PathTarget::Refused(_)), "{path}");
        }
        assert_eq!(route("/bid/..."), PathTarget::Named("bid"));
        assert_eq!(route("/bid/a..b"), PathTarget::Named("bid"));
    }

    #[test]
    fn encoded_slashes_in_the_name_are_refused() {
        for path in ["/bid%2fx", "/..%2Fetc", "/bid%5Cx", "/bid\\x"] {
            assert!(matches!(route(path), PathTarget::Refused(_)), "{path}");
        }
        assert_eq!(route("/bid/a%2fb"), PathTarget::Named("bid"));
    }
}
