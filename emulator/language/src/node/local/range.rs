//! Decides whether a member of a workspace has the version that another asks for.

/// A version's numbers.
type VersionNumbers = [u64; 3];

/// Returns whether a version is in a range, for the forms that people write for their own packages.
/// Returns `false` for any other form: a package manager would then ask a registry.
pub fn has(range: &str, version: Option<&str>) -> bool {
    let range = range.trim();
    if matches!(range, "" | "*" | "x" | "latest") {
        return true;
    }
    let Some(version) = version.and_then(whole) else {
        return false;
    };
    range.split("||").any(|range| {
        let parts = range.split_whitespace();
        range.trim() == "*" || parts.clone().count() > 0 && { parts }.all(|part| one(part, version))
    })
}

fn one(part: &str, version: VersionNumbers) -> bool {
    let operator: String = part
        .chars()
        .take_while(|c| !c.is_ascii_digit() && *c != 'v')
        .collect();
    let Some((from, given)) = partial(&part[operator.len()..]) else {
        return false;
    };
    // The first number that is not the same ends what a caret allows.
    let caret = from.iter().take(given).position(|number| *number > 0);
    let fixed = match operator.as_str() {
        "" | "=" => given,
        "~" => given.min(2),
        "^" => caret.map_or(given, |at| at + 1),
        ">=" => return version >= from,
        ">" => return version > from,
        "<=" => return version <= from,
        "<" => return version < from,
        _ => return false,
    };
    version >= from && version[..fixed] == from[..fixed]
}

/// A version with all its numbers; `None` for one before a release.
fn whole(text: &str) -> Option<VersionNumbers> {
    let (version, given) = partial(text)?;
    (given == 3).then_some(version)
}

/// The numbers of a version and how many of them are given: `1.x` has one.
fn partial(text: &str) -> Option<(VersionNumbers, usize)> {
    let text = text.trim_start_matches('v');
    let text = text.split('+').next().unwrap_or(text);
    let mut version = [0; 3];
    let mut given = 0;
    for (at, part) in text.split('.').enumerate() {
        if matches!(part, "x" | "X" | "*") {
            break;
        }
        *version.get_mut(at)? = part.parse().ok()?;
        given = at + 1;
    }
    Some((version, given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_npm_version_ranges_are_supported() {
        for range in [
            "*",
            "",
            "1.2.3",
            "=1.2.3",
            "v1.2.3",
            "^1.2.0",
            "^1",
            "~1.2",
            "1.x",
            "1.2",
            ">=1.0.0 <2",
            "^0.1 || ^1.0",
            "<=1.2.3",
        ] {
            assert!(has(range, Some("1.2.3")), "{range}");
        }
        for range in [
            "2.1.3",
            "^2.0.0",
            "~1.1",
            "^1.3",
            ">1.2.3",
            "<1.2.3",
            "^0.1",
            "npm:ms@1",
            "next",
            "git+ssh://x",
            "1 - 2",
        ] {
            assert!(!has(range, Some("1.2.3")), "{range}");
        }
        assert!(has("^0.1.2", Some("0.1.9")) && !has("^0.1.2", Some("0.2.0")));
        assert!(has("^0.0.3", Some("0.0.3")) && !has("^0.0.3", Some("0.0.4")));
        assert!(has("*", None) && !has("^1.0.0", None));
        assert!(!has("^1.0.0", Some("1.0.0-beta.1")));
    }
}
