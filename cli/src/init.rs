//! `fnlocal init`: writes the files a project begins with.

mod args;
mod from;

pub use args::{EXAMPLES, InitArgs};

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fnlocal_api::Exit;

use crate::error::CommandResult;
use crate::run::warn;
use crate::terminal;

/// A file by its path in the project, and what is in it.
type TemplateFile = (&'static str, &'static str);

/// The files of every project, which a folder may have already.
const BESIDES: &[TemplateFile] = &[
    (".gitignore", include_str!("../templates/shared/gitignore")),
    (
        ".vscode/launch.json",
        include_str!("../templates/shared/launch.json"),
    ),
];

/// Why a project cannot be begun.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} has {} already; nothing was written", folder.display(), files.join(", "))]
    Taken { folder: PathBuf, files: Vec<String> },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

fnlocal_api::user_error!(InitError {
    Self::Taken { .. } => "name a new folder, as in `fnlocal init shop`";
    Self::Write { .. } => "check that the folder belongs to you and that the disk has room";
});

/// Writes the files, and says what to do next.
pub fn run(args: &InitArgs) -> CommandResult {
    if let Some(file) = &args.from {
        return from::run(file);
    }
    for path in write(args)? {
        let text = format!("{path} is there already and stays as it is");
        warn(&text, Some("it should leave out .fnlocal and .env"));
    }
    say_next(args);
    Ok(Exit::Ok)
}

/// Writes the files. Returns those that existed and stayed unchanged.
fn write(args: &InitArgs) -> Result<Vec<&'static str>, InitError> {
    let files = args.template.starter().files;
    let is_there = |path: &str| fs::symlink_metadata(args.folder.join(path)).is_ok();
    let taken = files.iter().map(|&(path, _)| path);
    let taken = taken.filter(|path| is_there(path));
    let taken: Vec<_> = taken.map(str::to_owned).collect();
    if !taken.is_empty() {
        return Err(InitError::Taken {
            folder: args.folder.clone(),
            files: taken,
        });
    }
    fs::create_dir_all(&args.folder).map_err(|source| InitError::Write {
        path: args.folder.clone(),
        source,
    })?;
    let name = name_of(&args.folder);
    for (path, text) in files {
        put(&args.folder, path, &text.replace("{{name}}", &name))?;
    }
    let mut stayed = Vec::new();
    for &(path, text) in BESIDES {
        if is_there(path) {
            // An editor's own file is nobody's business; what git sees is.
            stayed.extend((path == ".gitignore").then_some(path));
        } else {
            put(&args.folder, path, text)?;
        }
    }
    Ok(stayed)
}

/// Writes a file that is not there: one that came meanwhile is an error, too.
/// Nor does it go through a link that stands where a folder of its own would.
fn put(folder: &Path, relative: &str, text: &str) -> Result<(), InitError> {
    let path = folder.join(relative);
    let written = || -> io::Result<()> {
        for above in Path::new(relative).ancestors().skip(1) {
            let above = folder.join(above);
            if above != folder && above.is_symlink() {
                let why = format!("{} is a link", above.display());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.write_all(text.as_bytes())
    };
    written().map_err(|source| InitError::Write { path, source })
}

/// The folder's name, as npm allows names.
fn name_of(folder: &Path) -> String {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() {
        "functions".to_owned()
    } else {
        name.to_owned()
    }
}

fn say_next(args: &InitArgs) {
    let bold = anstyle::Style::new().bold();
    let first = args.template.starter().function;
    let mut next = String::new();
    if args.folder != Path::new(".") {
        next.push_str(&format!("  cd {}\n", args.folder.display()));
    }
    next.push_str(&format!(
        "  fnlocal dev              serve the functions and reload what you save\n  \
         fnlocal invoke {first:<10}call a function, from another terminal\n  \
         fnlocal open             open the dashboard"
    ));
    terminal::eprintln!("{bold}ready{bold:#}; next:\n{next}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_becomes_a_valid_npm_package_name() {
        assert_eq!(name_of(Path::new("/nowhere/My Shop_2")), "my-shop-2");
        assert_eq!(name_of(Path::new("/nowhere/__")), "functions");
    }
}
