//! Layers in the store: a tar, hashed as it is and as it is compressed.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use fnlocal_registry::{BlobWriter, Digest, RepositoryName, Store};
use oci_client::manifest::IMAGE_LAYER_GZIP_MEDIA_TYPE;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ImageError;
use fnlocal_engine::tarball::TarTally;

/// A middle way: the next level up takes half as long again and saves two in a hundred.
const LEVEL: Compression = Compression::new(6);
/// "Unknown" in gzip's header, so that the system is not told.
const NO_SYSTEM: u8 = 255;
/// Bytes gathered before they are compressed or hashed.
pub use fnlocal_engine::sending::CHUNK_BYTES;

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Of the blob, as it is stored and sent.
    pub digest: Digest,
    /// The blob's bytes.
    pub size: u64,
    /// How the blob is packed.
    pub media_type: String,
    /// Of the tar inside.
    pub diff_id: Digest,
    /// The contents, if the layer was made here.
    pub tally: TarTally,
}

/// Hashes what passes.
pub(crate) struct Hashing<W> {
    out: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Returns the writer, and the digest and number of the bytes that passed.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.out, digest(&self.hash.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A layer being written into a store: what is written to it is a tar.
pub(crate) struct Packing {
    out: io::BufWriter<Hashing<GzEncoder<BlobWriter>>>,
}

impl Packing {
    pub fn new(store: &Store) -> Result<Self, ImageError> {
        let blob = flate2::GzBuilder::new()
            .mtime(0)
            .operating_system(NO_SYSTEM)
            .write(store.writer()?, LEVEL);
        let out = io::BufWriter::with_capacity(CHUNK_BYTES, Hashing::new(blob));
        Ok(Self { out })
    }

    /// Stores it. Nothing is stored if it is dropped instead.
    pub fn finish(self, repository: &RepositoryName, tally: TarTally) -> Result<Layer, ImageError> {
        let stored = self.finish_if(|_| true, repository, tally)?;
        Ok(stored.expect("every layer is wanted"))
    }

    /// Stores it if it is wanted, by the digest of its tar.
    pub fn finish_if(
        self,
        wanted: impl FnOnce(&Digest) -> bool,
        repository: &RepositoryName,
        tally: TarTally,
    ) -> Result<Option<Layer>, ImageError> {
        let inner = self
            .out
            .into_inner()
            .map_err(|error| full(error.into_error()))?;
        let (gzip, diff_id, _) = inner.finish();
        if !wanted(&diff_id) {
            return Ok(None);
        }
        let writer = gzip.finish().map_err(full)?;
        let blob = writer.commit(repository, None)?;
        Ok(Some(Layer {
            digest: blob.digest,
            size: blob.size,
            media_type: IMAGE_LAYER_GZIP_MEDIA_TYPE.to_owned(),
            diff_id,
            tally,
        }))
    }
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Stores the layer whose tar `fill` writes.
pub(crate) fn pack(
    store: &Store,
    repository: &RepositoryName,
    fill: impl FnOnce(&mut Packing) -> io::Result<TarTally>,
) -> Result<Layer, ImageError> {
    let mut packing = Packing::new(store)?;
    let tally = fill(&mut packing).map_err(full)?;
    packing.finish(repository, tally)
}

/// The digest a layer's tar will have, without storing it.
pub(crate) fn measure(
    fill: impl FnOnce(&mut dyn Write) -> io::Result<TarTally>,
) -> Result<(Digest, TarTally), ImageError> {
    let mut out = io::BufWriter::with_capacity(CHUNK_BYTES, Hashing::new(io::sink()));
    let tally = fill(&mut out).map_err(full)?;
    let inner = out.into_inner().map_err(|error| full(error.into_error()))?;
    Ok((inner.finish().1, tally))
}

pub(crate) fn digest(hash: &[u8]) -> Digest {
    let name = format!("sha256:{}", hex::encode(hash));
    name.parse().expect("a hash is a digest")
}

pub(crate) fn full(source: io::Error) -> ImageError {
    ImageError::Layer { source }
}
