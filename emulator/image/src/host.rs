//! A base made from this host's interpreter: the binary, the libraries it is linked to, a shell and
//! the package manager.
//!
//! The libraries are asked of `ldd`, since the host's own loader knows best where they are.

use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::ImportImageOptions;
use fnlocal_language::{HostTool, Language};
use futures_util::StreamExt;
use serde_json::json;
use tokio::process::Command;

use super::oci::layer::Hashing;
use super::oci::manifest::ImagePlatform;
use super::root::Root;
use super::short_hash;
use fnlocal_engine::error::chain;
use fnlocal_engine::identity::local_image;
use fnlocal_engine::sending;
use fnlocal_engine::tarball::Tarball;
use fnlocal_project::programs;

/// Label that tells from which interpreter a base was made.
pub const KEY: &str = "fnlocal.base.key";
/// A change of what goes into the base makes it anew.
pub(super) const RECIPE: &str = "2";
/// Libraries beside glibc: those it opens by name when it looks hosts up, and those that native
/// addons may ask for although the interpreter does not.
const BESIDE: [&str; 11] = [
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libresolv.so.2",
    "libanl.so.1",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
];
/// Where systems keep the certificates they trust.
const CERTIFICATES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];
/// Programs beside the interpreter: a shell for install scripts, `env` for their first line, `sleep`
/// for sandboxes.
const PROGRAMS: [&str; 3] = ["/bin/sh", "/bin/sleep", "/usr/bin/env"];
/// Where its programs are found.
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CHUNK_BYTES: usize = 256 * 1024;
/// The archive's files.
const CONFIG: &str = "config.json";
const LAYER: &str = "layer.tar";

/// This host's interpreter of a language.
#[derive(Clone, Debug)]
pub(super) struct HostInterpreter {
    language: &'static dyn Language,
    binary: PathBuf,
    version: String,
    /// The folder of its package manager.
    tool: Option<PathBuf>,
    key: String,
}

impl HostInterpreter {
    /// Finds it: `given`, else in `PATH`. Shims are followed by asking it who it is.
    pub async fn find(
        language: &'static dyn Language,
        given: Option<&Path>,
    ) -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("only possible on Linux".to_owned());
        }
        let program = match given {
            Some(given) => given.to_owned(),
            None => programs::find(language.program())
                .ok_or_else(|| format!("there is no {} in PATH", language.program()))?,
        };
        let asked = programs::ask(&program, language).await;
        let asked = asked.map_err(|error| format!("{}: {error}", program.display()))?;
        let silent = |_| format!("{} does not tell its path", program.display());
        let found = asked.map_err(silent)?;
        let binary = std::fs::canonicalize(&found.path);
        let binary = binary.map_err(|error| format!("{}: {error}", found.path.display()))?;
        let tool = language.host_tool();
        let at = find_tool(tool, &binary);
        let version_file = at.as_ref().map(|at| at.join(tool.version_file));
        let key = key(&binary, &found.version, version_file.as_deref());
        Ok(Self {
            language,
            binary,
            version: found.version,
            tool: at,
            key: key.map_err(|error| error.to_string())?,
        })
    }

    /// The same for the same interpreter and package manager.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// For people.
    pub fn origin(&self) -> String {
        let without = match self.tool {
            Some(_) => String::new(),
            None => format!(", without {}", self.language.host_tool().name),
        };
        let program = self.language.program();
        format!("this machine's {program} {}{without}", self.version)
    }

    /// Makes the base and gives its name, which is a hash of its content. Loaded as an archive:
    /// Podman's import of a bare file system forgets tag and labels.
    pub async fn import(&self, docker: &Docker) -> Result<String, String> {
        let root = self.root().await?;
        let (file, hash) = tokio::task::spawn_blocking(move || write(&root))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let name = local_image(&format!("base:{}", &hash[..12]));
        let documents = self.documents(&name, &hash);
        let (pieces, writing) = sending::pieces(move |out| archive(out, &documents, file));
        let options = ImportImageOptions {
            quiet: true,
            ..ImportImageOptions::default()
        };
        let body = bollard::body_try_stream(pieces);
        let mut answers = docker.import_image(options, body, None);
        while let Some(answer) = answers.next().await {
            answer.map_err(|error| chain(&error))?;
        }
        writing
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(name)
    }

    /// The small files of the archive. `hash` is the layer's.
    fn documents(&self, name: &str, hash: &str) -> [(&'static str, String); 2] {
        let config = json!({
            "architecture": ImagePlatform::here().architecture(),
            "os": "linux",
            "config": { "Env": [PATH], "Cmd": [self.language.program()], "Labels": { KEY: self.key } },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{hash}")] },
            "history": [{ "comment": format!("made by fnlocal from {}", self.origin()) }],
        });
        let listed = json!([{ "Config": CONFIG, "RepoTags": [name], "Layers": [LAYER] }]);
        [
            (CONFIG, config.to_string()),
            ("manifest.json", listed.to_string()),
        ]
    }

    /// The base's files.
    pub async fn root(&self) -> Result<Root, String> {
        let mut root = Root::default();
        let program = format!("/usr/local/bin/{}", self.language.program());
        root.file(&program, &self.binary, 0o755);
        let mut linked = vec![self.binary.clone()];
        for program in PROGRAMS {
            root.file(program, Path::new(program), 0o755);
            linked.push(PathBuf::from(program));
        }
        for program in &linked {
            for library in libraries(program).await? {
                let near = Path::new(&library)
                    .parent()
                    .map(Path::to_owned)
                    .unwrap_or_default();
                if library.contains("/libc.so") {
                    for name in BESIDE.iter().filter(|name| near.join(name).exists()) {
                        let path = near.join(name);
                        root.file(&path.to_string_lossy(), &path, 0o755);
                    }
                }
                root.file(&library, Path::new(&library), 0o755);
            }
        }
        if let Some(folder) = &self.tool {
            let tool = self.language.host_tool();
            root.tree(tool.at, folder, tool.without)
                .map_err(|error| error.to_string())?;
            for (at, to) in tool.links {
                root.link(at, to);
            }
        }
        settings(&mut root, self.language.image_user());
        Ok(root)
    }
}

/// Adds the files that a system has besides programs.
fn settings(root: &mut Root, user: &str) {
    let home = format!("/home/{user}");
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/sh\n{user}:x:1000:1000::{home}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    );
    root.text("/etc/passwd", passwd, 0o644);
    let group = format!("root:x:0:\n{user}:x:1000:\nnogroup:x:65534:\n");
    root.text("/etc/group", group, 0o644);
    root.text(
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
        0o644,
    );
    if let Some(path) = CERTIFICATES
        .iter()
        .map(Path::new)
        .find(|path| path.exists())
    {
        root.file(CERTIFICATES[0], path, 0o644);
    }
    root.folder("/tmp", 0o1777);
    for folder in ["/app", home.as_str(), "/root", "/run/fnlocal", "/var/tmp"] {
        root.folder(folder, 0o755);
    }
}

/// The package manager's folder: beside the interpreter, else where its program in `PATH` leads. One
/// that is spread over the system, as Debian's own packages are, cannot be taken along.
fn find_tool(tool: &HostTool, interpreter: &Path) -> Option<PathBuf> {
    let beside = interpreter.parent()?.parent()?.join(tool.beside);
    let in_path = || {
        let program = std::fs::canonicalize(programs::find(tool.name)?).ok()?;
        Some(program.parent()?.parent()?.to_owned())
    };
    let (file, folder) = tool.whole;
    let whole = |at: &PathBuf| at.join(file).is_file() && at.join(folder).is_dir();
    Some(beside)
        .filter(whole)
        .or_else(|| in_path().filter(whole))
}

fn key(binary: &Path, version: &str, tool_version: Option<&Path>) -> io::Result<String> {
    let stamp = |path: &Path| -> io::Result<String> {
        let meta = path.metadata()?;
        let changed = meta
            .modified()?
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(format!("{} {}", meta.len(), changed.as_nanos()))
    };
    let stamp = stamp(binary)?;
    let tool = tool_version.map(std::fs::read);
    let tool = tool.transpose()?.unwrap_or_default();
    let path = binary.as_os_str().as_encoded_bytes();
    Ok(short_hash(&[
        RECIPE.as_bytes(),
        path,
        version.as_bytes(),
        stamp.as_bytes(),
        &tool,
    ]))
}

async fn libraries(program: &Path) -> Result<Vec<String>, String> {
    let ldd = programs::find("ldd").ok_or("there is no ldd in PATH")?;
    let told = Command::new(ldd)
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .await
        .map_err(|error| format!("ldd: {error}"))?;
    parse_ldd(&String::from_utf8_lossy(&told.stdout), program)
}

/// Paths in lines such as `libc.so.6 => /lib/libc.so.6 (0x7f…)` and `/lib64/ld.so.2 (0x7f…)`.
fn parse_ldd(text: &str, program: &Path) -> Result<Vec<String>, String> {
    let mut libraries = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.contains("=> not found") {
            return Err(format!("{}: {line}", program.display()));
        }
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        let path = path.split(" (0x").next().unwrap_or_default();
        if path.starts_with('/') {
            libraries.push(path.to_owned());
        }
    }
    Ok(libraries)
}

/// Writes the tar to a file of its own and hashes it on the way.
fn write(root: &Root) -> io::Result<(std::fs::File, String)> {
    let mut out = Hashing::new(io::BufWriter::with_capacity(
        CHUNK_BYTES,
        tempfile::tempfile()?,
    ));
    root.write(&mut out)?;
    let (out, digest, _) = out.finish();
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok((file, digest.hex().to_owned()))
}

/// Writes an image as `docker save` does.
fn archive(
    out: impl Write,
    documents: &[(&'static str, String)],
    layer: std::fs::File,
) -> io::Result<()> {
    let mut tar = Tarball::new(out);
    for (path, text) in documents {
        tar.file(path, 0o644, text.len() as u64, text.as_bytes())?;
    }
    let size = layer.metadata()?.len();
    tar.file(LAYER, 0o644, size, layer)?;
    tar.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_paths_are_read_from_ldd_output() {
        let text = "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f3e)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f51)\n";
        let found = parse_ldd(text, Path::new("x")).unwrap();
        assert_eq!(found, ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert!(
            parse_ldd(
                "a program without libraries: statically linked",
                Path::new("x")
            )
            .unwrap()
            .is_empty()
        );
    }

    #[test]
    fn a_missing_library_is_an_error_that_names_it() {
        let error = parse_ldd("\tliba.so => not found\n", Path::new("/bin/x")).unwrap_err();
        assert_eq!(error, "/bin/x: liba.so => not found");
    }
}
