//! Arguments of `fnlocal build`.

use std::path::PathBuf;

use fnlocal_image::oci::manifest::ImagePlatform;

/// Shown with `fnlocal build --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal build                      the packages of this folder
  fnlocal build examples/auction     those of another
  fnlocal build --list               the files that would be packed, without building
  fnlocal build --platform linux/amd64,linux/arm64
  fnlocal build --json | jq -r '.images[].digest'";

/// Arguments of `fnlocal build`.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The platforms to build for, such as linux/amd64,linux/arm64 [default: this machine's].
    #[arg(long, value_delimiter = ',', value_name = "PLATFORM")]
    pub platform: Vec<ImagePlatform>,
    /// Check for a newer base image.
    #[arg(long)]
    pub pull: bool,
    /// List the files that would be packed, without building.
    #[arg(long, conflicts_with_all = ["platform", "pull"])]
    pub list: bool,
    /// Print what was built, or listed, as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
