//! The base of Node.js' images.

use super::NodeJs;
use crate::{HostTool, LanguageBase};

/// The official image of the LTS.
pub(super) const BASE_IMAGE: &str = "node:26-slim";

const NPM: HostTool = HostTool {
    name: "npm",
    beside: "lib/node_modules/npm",
    whole: ("bin/npm-cli.js", "node_modules"),
    version_file: "package.json",
    at: "/usr/local/lib/node_modules/npm",
    without: &["docs", "man"],
    links: &[
        (
            "/usr/local/bin/npm",
            "../lib/node_modules/npm/bin/npm-cli.js",
        ),
        (
            "/usr/local/bin/npx",
            "../lib/node_modules/npm/bin/npx-cli.js",
        ),
    ],
};

impl LanguageBase for NodeJs {
    fn base_image(&self) -> &'static str {
        BASE_IMAGE
    }

    fn image_user(&self) -> &'static str {
        "node"
    }

    fn host_tool(&self) -> &'static HostTool {
        &NPM
    }
}
