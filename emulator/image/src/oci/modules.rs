//! Installed dependencies as a layer: what an engine gives as a tar, in order and without what
//! package managers note for themselves.

mod links;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use fnlocal_registry::{RepositoryName, Store};
use tar::{Archive, EntryType};

use super::layer::{self, Layer};
use crate::ImageError;
use fnlocal_engine::tarball::{TarTally, Tarball};
use fnlocal_language::Language;
use fnlocal_project::Package;

#[derive(Debug)]
enum ModuleEntry {
    Folder,
    File { at: u64, size: u64, mode: u32 },
    Link(String),
}

impl ModuleEntry {
    /// Where a link leads.
    fn target(&self) -> Option<&str> {
        match self {
            Self::Link(to) => Some(to),
            Self::Folder | Self::File { .. } => None,
        }
    }
}

/// Stores a tar of the folder that a package's dependencies are installed into as a layer.
pub(crate) fn pack(
    store: &Store,
    repository: &RepositoryName,
    package: &Package,
    mut tar: File,
) -> Result<Layer, ImageError> {
    let items = read(package.language, &tar).map_err(layer::full)?;
    check_links(package.language, &items, &package.name)?;
    layer::pack(store, repository, |out| write(&items, &mut tar, out))
}

/// Reads the sorted entries of the tar, with their places.
fn read(language: &dyn Language, mut tar: &File) -> io::Result<BTreeMap<String, ModuleEntry>> {
    tar.seek(SeekFrom::Start(0))?;
    let folder = language.installed_folder().to_owned();
    let mut items = BTreeMap::from([(folder, ModuleEntry::Folder)]);
    let mut again = Vec::new();
    for entry in Archive::new(io::BufReader::new(tar)).entries()? {
        let entry = entry?;
        let path = text(&entry.path_bytes())?;
        let path = path.trim_start_matches("./").trim_end_matches('/');
        if is_note(language, path) {
            continue;
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(odd(format!("the path {path} is not plain")));
        }
        let link = entry
            .link_name_bytes()
            .map(|name| text(&name))
            .transpose()?;
        let item = match (entry.header().entry_type(), link) {
            (EntryType::Directory, _) => ModuleEntry::Folder,
            (EntryType::Symlink, Some(to)) => ModuleEntry::Link(to),
            (EntryType::Link, Some(to)) => {
                again.push((path.to_owned(), to));
                continue;
            }
            (EntryType::Regular | EntryType::Continuous, _) => {
                let executable = entry.header().mode()? & 0o111 != 0;
                ModuleEntry::File {
                    at: entry.raw_file_position(),
                    size: entry.size(),
                    mode: if executable { 0o755 } else { 0o644 },
                }
            }
            _ => continue,
        };
        items.insert(path.to_owned(), item);
    }
    // The order of several hard links is the engine's choice: each becomes a file.
    for (path, to) in again {
        let Some(ModuleEntry::File { at, size, mode }) = items.get(to.trim_start_matches("./"))
        else {
            return Err(odd(format!(
                "{path} is the same file as {to}, which is not there"
            )));
        };
        let (at, size, mode) = (*at, *size, *mode);
        items.insert(path, ModuleEntry::File { at, size, mode });
    }
    Ok(items)
}

fn write(
    items: &BTreeMap<String, ModuleEntry>,
    tar: &mut File,
    out: &mut impl Write,
) -> io::Result<TarTally> {
    let mut ball = Tarball::new(out);
    for (path, item) in items {
        match item {
            ModuleEntry::Folder => ball.folder(path, 0o755)?,
            ModuleEntry::Link(to) => ball.link(path, to)?,
            ModuleEntry::File { at, size, mode } => {
                tar.seek(SeekFrom::Start(*at))?;
                ball.file(path, *mode, *size, Read::by_ref(tar))?;
            }
        }
    }
    ball.finish()
}

/// Returns whether an entry is left out: what is not in the folder, and what package managers note.
fn is_note(language: &dyn Language, path: &str) -> bool {
    let folder = language.installed_folder();
    let Some(rest) = path
        .strip_prefix(folder)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return path != folder;
    };
    let first = rest.split('/').next().unwrap_or(rest);
    language.is_install_note(first)
}

/// A link out of the folder would lead nowhere in the image.
fn check_links(
    language: &dyn Language,
    items: &BTreeMap<String, ModuleEntry>,
    package: &str,
) -> Result<(), ImageError> {
    let outside = |link: &str, target: &str| ImageError::Outside {
        package: package.to_owned(),
        link: link.to_owned(),
        target: target.to_owned(),
        hint: language.outside_hint(),
    };
    for (path, item) in items {
        if let ModuleEntry::Link(to) = item
            && !links::stays(items, ModuleEntry::target, path, to)
        {
            return Err(outside(path, to));
        }
        // Unpacked, it would be written wherever the link leads.
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        for folder in folders {
            if let Some(ModuleEntry::Link(to)) = items.get(folder) {
                return Err(outside(folder, to));
            }
        }
    }
    Ok(())
}

fn odd(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a file's name is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_node(tar: &File) -> io::Result<BTreeMap<String, ModuleEntry>> {
        read(fnlocal_language::usual(), tar)
    }

    fn made(entries: &[(&str, &str, u64)]) -> File {
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        for (path, data, time) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o664);
            header.set_mtime(*time);
            header.set_uid(*time);
            tar.append_data(&mut header, path, data.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn bytes(mut tar: File) -> Vec<u8> {
        let mut out = Vec::new();
        let items = of_node(&tar).unwrap();
        write(&items, &mut tar, &mut out).unwrap();
        out
    }

    #[test]
    fn a_modules_layer_does_not_depend_on_order_times_owners_or_install_records() {
        let one = made(&[
            ("node_modules/b/x.js", "x", 5),
            ("node_modules/a.js", "a", 6),
            ("node_modules/.package-lock.json", "one", 7),
        ]);
        let two = made(&[
            ("node_modules/.modules.yaml", "two", 9),
            ("node_modules/.pnpm-workspace-state-v1.json", "two", 9),
            ("node_modules/a.js", "a", 8),
            ("node_modules/b/x.js", "x", 8),
        ]);
        let (one, two) = (bytes(one), bytes(two));
        assert_eq!(one, two);
        let mut archive = Archive::new(one.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| text(&entry.unwrap().path_bytes()).unwrap())
            .collect();
        assert_eq!(
            names,
            ["node_modules/", "node_modules/a.js", "node_modules/b/x.js"]
        );
    }

    /// A tar with one entry whose path and kind are as given.
    fn entry(path: &str, kind: EntryType, link: Option<&str>) -> File {
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_entry_type(kind);
        // As a hostile archive has it: the library would refuse to write such a path.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(link) = link {
            header.set_link_name_literal(link).unwrap();
        }
        header.set_cksum();
        tar.append(&header, std::io::empty()).unwrap();
        tar.into_inner().unwrap()
    }

    #[test]
    fn an_archive_entry_outside_its_folder_is_an_error_and_devices_are_skipped() {
        for path in [
            "node_modules/../x",
            "node_modules/a//../../../x",
            "node_modules/./../x",
        ] {
            let error = of_node(&entry(path, EntryType::Regular, None)).unwrap_err();
            assert!(error.to_string().contains(path), "{path}: {error}");
        }
        for to in ["/etc/passwd", "node_modules/gone", "../x"] {
            let hard = entry("node_modules/a", EntryType::Link, Some(to));
            let error = of_node(&hard).unwrap_err();
            assert!(error.to_string().contains(to), "{to}: {error}");
        }
        for kind in [EntryType::Fifo, EntryType::Char, EntryType::Block] {
            let items = of_node(&entry("node_modules/a", kind, None)).unwrap();
            assert_eq!(items.len(), 1);
        }
        assert_eq!(
            of_node(&entry("/etc/x", EntryType::Regular, None))
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn an_archive_entry_below_a_symlink_is_an_error() {
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "node_modules/a", "b").unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, "node_modules/a/x", std::io::empty())
            .unwrap();
        let items = of_node(&tar.into_inner().unwrap()).unwrap();
        let error = check_links(fnlocal_language::usual(), &items, "p")
            .unwrap_err()
            .to_string();
        assert!(error.contains("node_modules/a"), "{error}");
    }
}
