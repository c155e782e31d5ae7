//! Files that the build script takes from npm, so that the binary carries them.
#![warn(missing_docs)]

/// A file that the build script made.
macro_rules! made {
    ($include:ident, $name:literal) => {
        $include!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

/// The program that runs inside an instance of a Node.js function.
pub const RUNNER: &[u8] = made!(include_bytes, "runner.cjs");

/// uPlot as a module of JavaScript.
pub const UPLOT_MODULE: &str = made!(include_str, "uPlot.esm.js");
/// uPlot as a script that defines the global `uPlot`, minified.
pub const UPLOT_SCRIPT: &str = made!(include_str, "uPlot.iife.min.js");
/// uPlot's style sheet.
pub const UPLOT_STYLE: &str = made!(include_str, "uPlot.min.css");
/// uPlot's licence, which goes wherever the library goes.
pub const UPLOT_LICENCE: &str = made!(include_str, "LICENSE");
