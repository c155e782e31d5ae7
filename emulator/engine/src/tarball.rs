//! A tar without anything of the machine it was made on: no times, owners or odd modes.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};

/// Files remembered for a warning about size.
const LARGEST: usize = 5;

/// How much a tar holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TarTally {
    /// Bytes of its files.
    pub bytes: u64,
    /// Its largest files, the largest first, with their bytes.
    pub largest: Vec<(String, u64)>,
}

impl TarTally {
    fn add(&mut self, path: &str, bytes: u64) {
        self.bytes += bytes;
        self.largest.push((path.to_owned(), bytes));
        self.largest
            .sort_by(|(a, small), (b, large)| large.cmp(small).then_with(|| a.cmp(b)));
        self.largest.truncate(LARGEST);
    }
}

/// Writes a tar. The caller chooses the contents and their order.
pub struct Tarball<W: Write> {
    tar: Builder<W>,
    tally: TarTally,
    owner: (u32, u32),
}

impl<W: Write> Tarball<W> {
    pub fn new(out: W) -> Self {
        Self {
            tar: Builder::new(out),
            tally: TarTally::default(),
            owner: (0, 0),
        }
    }

    /// Gives what follows to a user and a group; without this it is root's.
    pub fn owned_by(self, owner: (u32, u32)) -> Self {
        Self { owner, ..self }
    }

    pub fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let entry = (EntryType::Directory, mode, 0);
        self.append(&format!("{path}/"), None, entry, io::empty())
    }

    /// A file of exactly `size` bytes: one that gives fewer was changed while it was read.
    pub fn file(&mut self, path: &str, mode: u32, size: u64, from: impl Read) -> io::Result<()> {
        let mut exactly = from.take(size);
        self.append(path, None, (EntryType::Regular, mode, size), &mut exactly)?;
        if exactly.limit() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{path} became shorter while it was read"),
            ));
        }
        self.tally.add(path, size);
        Ok(())
    }

    pub fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        let entry = (EntryType::Symlink, 0o777, 0);
        self.append(path, Some(to), entry, io::empty())
    }

    /// Another name of a file that is in this tar, or already where it is unpacked.
    pub fn same_file(&mut self, path: &str, mode: u32, of: &str) -> io::Result<()> {
        let entry = (EntryType::Link, mode, 0);
        self.append(path, Some(of), entry, io::empty())
    }

    /// Ends the tar.
    pub fn finish(self) -> io::Result<TarTally> {
        self.tar.into_inner()?.flush()?;
        Ok(self.tally)
    }

    fn append(
        &mut self,
        path: &str,
        link: Option<&str>,
        (kind, mode, size): (EntryType, u32, u64),
        data: impl Read,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_uid(self.owner.0.into());
        header.set_gid(self.owner.1.into());
        header.set_mtime(0);
        let mut pax: Vec<(&str, &[u8])> = Vec::new();
        if header.set_path(path).is_err() {
            pax.push(("path", path.as_bytes()));
            header.set_path("long")?;
        }
        if let Some(link) = link
            && header.set_link_name_literal(link).is_err()
        {
            pax.push(("linkpath", link.as_bytes()));
            header.set_link_name_literal("long")?;
        }
        self.tar.append_pax_extensions(pax)?;
        header.set_cksum();
        self.tar.append(&header, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_and_link_targets_survive_a_round_trip() {
        let (long, far) = (format!("a/{}/b.js", "x".repeat(300)), "y".repeat(200));
        let mut bytes = Vec::new();
        let mut tar = Tarball::new(&mut bytes);
        tar.file(&long, 0o644, 2, &b"hi"[..]).unwrap();
        tar.link("l", &far).unwrap();
        tar.finish().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let file = entries.next().unwrap().unwrap();
        assert_eq!(file.path().unwrap().to_str(), Some(long.as_str()));
        let link = entries.next().unwrap().unwrap();
        let to = link.link_name().unwrap().unwrap();
        assert_eq!(to.to_str(), Some(far.as_str()));
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        let mut tar = Tarball::new(io::sink());
        let error = tar.file("x", 0o644, 10, &b"short"[..]).unwrap_err();
        assert!(error.to_string().contains("x became shorter"), "{error}");
    }

    #[test]
    fn the_five_largest_files_are_recorded() {
        let mut tar = Tarball::new(io::sink());
        for size in 1..=8_u64 {
            tar.file(&format!("f{size}"), 0o644, size, io::repeat(0))
                .unwrap();
        }
        let tally = tar.finish().unwrap();
        assert_eq!(tally.bytes, 36);
        assert_eq!(tally.largest.len(), 5);
        assert_eq!(tally.largest[0], ("f8".to_owned(), 8));
    }
}
