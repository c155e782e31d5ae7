//! A file on its way out, read in pieces.

use std::fs::File;
use std::io::{self, Read};

use axum::body::{Body, Bytes};
use futures_util::stream::try_unfold;

use crate::digest::{Digest, DigestHasher};
use crate::store::Store;

/// Bytes read at once.
const CHUNK_BYTES: u64 = 256 * 1024;

/// A file being read, and what is left to send of it.
struct BlobSender {
    file: File,
    left: u64,
    check: Option<BlobCheck>,
}

/// The expected digest and size of a whole blob.
struct BlobCheck {
    store: Store,
    digest: Digest,
    hasher: DigestHasher,
}

/// All of a blob. The last piece is sent only if the digest is right: a client never gets all of a
/// bad blob, and the next client gets a 404.
pub fn whole(store: Store, digest: Digest, file: File, size: u64) -> Body {
    let hasher = DigestHasher::new(digest.algorithm());
    let check = BlobCheck {
        store,
        digest,
        hasher,
    };
    send(BlobSender {
        file,
        left: size,
        check: Some(check),
    })
}

/// `length` bytes from where `file` stands. A part cannot be checked.
pub fn part(file: File, length: u64) -> Body {
    send(BlobSender {
        file,
        left: length,
        check: None,
    })
}

fn send(sending: BlobSender) -> Body {
    Body::from_stream(try_unfold(sending, async |sending| {
        if sending.left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || sending.next()).await;
        read.map_err(io::Error::other)?.map(Some)
    }))
}

impl BlobSender {
    fn next(mut self) -> io::Result<(Bytes, Self)> {
        let length = self.left.min(CHUNK_BYTES);
        let mut piece = vec![0; usize::try_from(length).expect("a piece fits in memory")];
        let read = self.file.read_exact(&mut piece);
        self.left -= length;
        if let Err(error) = read {
            // Shorter than it was: as bad as other bytes.
            if let Some(check) = self.check {
                check.failed(&self.file)?;
            }
            return Err(error);
        }
        if let Some(check) = &mut self.check {
            check.hasher.update(&piece);
        }
        if self.left == 0
            && let Some(check) = self.check.take()
            && check.hasher.clone().finish() != check.digest
        {
            check.failed(&self.file)?;
            return Err(io::Error::other("the blob went bad"));
        }
        Ok((piece.into(), self))
    }
}

impl BlobCheck {
    fn failed(&self, file: &File) -> io::Result<()> {
        self.store
            .quarantine(&self.digest, file)
            .map_err(io::Error::other)
    }
}
