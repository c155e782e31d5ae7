//! Writes the core's events and effects to a file.
//!
//! The file is written by a thread of its own. The way there is unbounded: a recording that lacks
//! an event replays to nonsense, and waiting for a disk would hold up every request. A disk slower
//! than the events costs memory, for as long as somebody records.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use fnlocal_core::NodeLimits;
use fnlocal_core::record::{Header, RecordedEvent};

/// A recording under way.
#[derive(Debug)]
pub struct EventRecorder {
    entries: Sender<RecordedEvent>,
    writer: JoinHandle<io::Result<()>>,
}

impl EventRecorder {
    /// Begins a recording of a node with these bounds.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn create(path: &Path, limits: &NodeLimits) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        write_line(&mut file, &Header::new(limits.clone()))?;
        file.flush()?;
        let (entries, received) = channel();
        let writer = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || write(file, &received))?;
        Ok(Self { entries, writer })
    }

    /// Adds an event. [`EventRecorder::finish`] reports a file that can no longer be written.
    pub(super) fn add(&self, entry: RecordedEvent) {
        let _writer_failed = self.entries.send(entry);
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Something could not be written: the recording is cut off there.
    pub fn finish(self) -> io::Result<()> {
        drop(self.entries);
        let ended = self.writer.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the recorder broke down")))
    }
}

/// Writes until no more can come, and lets nothing lie in memory while nothing comes.
fn write(mut file: BufWriter<File>, entries: &Receiver<RecordedEvent>) -> io::Result<()> {
    while let Ok(entry) = entries.recv() {
        write_line(&mut file, &entry)?;
        while let Ok(entry) = entries.try_recv() {
            write_line(&mut file, &entry)?;
        }
        file.flush()?;
    }
    file.flush()
}

fn write_line(file: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}
