//! The base of a language's images.

/// The base of a language's images.
pub trait LanguageBase {
    /// The image to build on if none is named.
    fn base_image(&self) -> &'static str;

    /// The name of the base's user 1000, who runs instances.
    fn image_user(&self) -> &'static str;

    /// The package manager that a base made of this machine's programs takes along.
    fn host_tool(&self) -> &'static HostTool;
}

/// A program of this machine that is a folder of files, and its places in a base.
#[derive(Debug)]
pub struct HostTool {
    /// The program's name.
    pub name: &'static str,
    /// Its folder, from the folder above the interpreter's.
    pub beside: &'static str,
    /// A file and a folder in it. Without them it is spread over the system and cannot be taken along.
    pub whole: (&'static str, &'static str),
    /// A file in it that differs with its version.
    pub version_file: &'static str,
    /// Its folder in the base.
    pub at: &'static str,
    /// Folders in it that are left out.
    pub without: &'static [&'static str],
    /// Links to it in the base, with their targets.
    pub links: &'static [(&'static str, &'static str)],
}
