//! The texts of Node.js and V8.

use super::NodeJs;
use super::templates::TEMPLATES;
use crate::{LanguageTexts, StarterTemplate};

/// The first Node.js that strips types.
const STRIPS_TYPES: (u32, u32) = (22, 18);

impl LanguageTexts for NodeJs {
    /// Node's own heap limit is a memory limit as well.
    fn tells_out_of_memory(&self, line: &str) -> bool {
        line.contains("JavaScript heap out of memory")
    }

    fn stack_frame<'a>(&self, line: &'a str) -> Option<&'a str> {
        let frame = line.trim_start().strip_prefix("at ")?;
        Some(without_place(frame))
    }

    fn templates(&self) -> &'static [StarterTemplate] {
        &TEMPLATES
    }

    fn outside_hint(&self) -> &'static str {
        "name the folder that holds it in package.json, as `file:` and its path: what is in the project \
         is packed"
    }

    fn no_program_hint(&self) -> &'static str {
        "install Node.js 20 or later, or start Docker"
    }

    fn install_advice(&self) -> &'static str {
        "install Node.js: without Docker it runs the functions, and with it a base can be made of it"
    }

    fn version_advice(&self, version: &str) -> Option<&'static str> {
        let strips = parse(version).is_some_and(|found| found >= STRIPS_TYPES);
        (!strips).then_some("Node.js 22.18 or later runs TypeScript without a build")
    }
}

/// A frame without its line and column.
fn without_place(frame: &str) -> &str {
    frame.trim_end_matches(|c: char| c == ')' || c == ':' || c.is_ascii_digit())
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_by_its_word_and_bears_no_place() {
        let frame = NodeJs.stack_frame("    at bid (/shop/bid.js:12:7)");
        assert_eq!(frame, Some("bid (/shop/bid.js"));
        assert_eq!(NodeJs.stack_frame("TypeError: no such bid"), None);
    }

    #[test]
    fn advice_is_for_a_node_that_does_not_strip_types() {
        for (version, good) in [
            ("v22.18.0", true),
            ("v26.1.0", true),
            ("v22.17.1", false),
            ("v20.20.0", false),
            ("22", false),
        ] {
            assert_eq!(NodeJs.version_advice(version).is_none(), good, "{version}");
        }
    }
}
