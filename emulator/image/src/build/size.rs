//! A word about images that are large.

use super::report::{BuiltLayer, LayerPart};
use fnlocal_project::Warning;

/// Files a warning names.
const MAX_NAMED_FILES: usize = 5;

/// A warning if code and dependencies are more than `large` bytes, with their largest files.
pub(super) fn warning(package: &str, layers: &[BuiltLayer], large: u64) -> Option<Warning> {
    let theirs = |built: &&BuiltLayer| matches!(built.part, LayerPart::Deps | LayerPart::Code);
    let (mut bytes, mut largest) = (0, Vec::new());
    for built in layers.iter().filter(theirs) {
        let tally = &built.layer.tally;
        bytes += tally.bytes;
        largest.extend(tally.largest.iter().cloned());
    }
    if bytes <= large {
        return None;
    }
    largest.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let files: Vec<String> = largest
        .iter()
        .take(MAX_NAMED_FILES)
        .map(|(path, size)| format!("{path} ({} MB)", size.div_ceil(1_000_000)))
        .collect();
    let megabytes = bytes.div_ceil(1_000_000);
    Some(Warning {
        text: format!(
            "package {package}: its image holds {megabytes} MB of code and dependencies, which \
             every node has to pull; the largest files are {}",
            files.join(", ")
        ),
        hint: Some("list what functions do not need in .fnlocalignore".to_owned()),
    })
}
