//! Links in a tree that is not on a disk: where they lead, one component after the other.

use std::collections::BTreeMap;

/// Links that are followed for one path, as in Linux.
const MAX_LINKS: usize = 40;

/// Returns whether a link stays in a folder at the tree's top, through all links on its way. One
/// that ends nowhere does, and one that leads in circles does not.
pub(super) fn stays<T>(
    items: &BTreeMap<String, T>,
    link_of: impl Fn(&T) -> Option<&str>,
    path: &str,
    to: &str,
) -> bool {
    let Some((folder, _)) = path.rsplit_once('/') else {
        return false;
    };
    let mut at: Vec<&str> = folder.split('/').collect();
    // The components that are left, the next one last.
    let mut left: Vec<&str> = to.split('/').rev().collect();
    let mut links = 0;
    if to.starts_with('/') {
        return false;
    }
    while let Some(part) = left.pop() {
        match part {
            "" | "." => {}
            ".." => {
                at.pop();
                // The folder at the top may not be left, whatever comes after.
                if at.is_empty() {
                    return false;
                }
            }
            name => {
                at.push(name);
                let found = items.get(&at.join("/")).and_then(&link_of);
                if let Some(to) = found {
                    links += 1;
                    if links > MAX_LINKS || to.starts_with('/') {
                        return false;
                    }
                    at.pop();
                    left.extend(to.split('/').rev());
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays_among(links: &[(&str, &str)], path: &str) -> bool {
        let items: BTreeMap<String, String> = links
            .iter()
            .map(|(path, to)| ((*path).to_owned(), (*to).to_owned()))
            .collect();
        let to = items[path].clone();
        stays(&items, |to| Some(to.as_str()), path, &to)
    }

    #[test]
    fn symlinks_may_point_anywhere_inside_but_not_outside() {
        let one = |path: &str, to: &str| stays_among(&[(path, to)], path);
        assert!(one("node_modules/.bin/a", "../a/cli.js"));
        assert!(one("node_modules/a", ".pnpm/a@1/node_modules/a"));
        assert!(one("node_modules/a", "./b//c/"));
        assert!(!one("node_modules/a", "../lib"));
        assert!(!one("node_modules/a", "../node_modules/b"));
        assert!(!one("node_modules/a", "/etc"));
        assert!(!one("node_modules/a/b", "../../node_modules/c"));
        assert!(!one("node_modules", "elsewhere"));
    }

    #[test]
    fn chained_symlinks_that_escape_are_rejected() {
        // By its text each is inside.
        let chained = [
            ("node_modules/a/here", "."),
            ("node_modules/a/up", "here/here/../.."),
            ("node_modules/deep", "a/b/c"),
            ("node_modules/out", "a/here/here/here/../../../etc"),
            ("node_modules/last", "deep"),
            ("node_modules/a/b/c", "../../.."),
        ];
        for path in ["node_modules/out", "node_modules/last", "node_modules/a/up"] {
            assert!(!stays_among(&chained, path), "{path}");
        }
        assert!(stays_among(&chained, "node_modules/a/here"));
    }

    #[test]
    fn circular_symlinks_are_rejected() {
        let circle = [("node_modules/a", "b"), ("node_modules/b", "a/x")];
        assert!(!stays_among(&circle, "node_modules/a"));
        assert!(!stays_among(&[("node_modules/a", "a")], "node_modules/a"));
    }
}
