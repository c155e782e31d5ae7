//! From the journal to who prints.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::Record;
use super::document::dropped;

/// Records that may wait.
const UNPRINTED: usize = 20_000;
/// Bytes of them.
const MAX_UNPRINTED_BYTES: usize = 8 << 20;

/// Records on their way to who prints, who may be slow.
pub(super) struct Printer {
    sink: SyncSender<Vec<Record>>,
    waiting: VecDeque<Record>,
    /// Bytes of them.
    bytes: usize,
    dropped: u64,
}

impl Printer {
    /// Hands records on to `sink`.
    pub fn new(sink: SyncSender<Vec<Record>>) -> Self {
        Self {
            sink,
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: 0,
        }
    }

    /// Adds records; those beyond the bound are counted.
    pub fn add(&mut self, records: Vec<Record>) {
        let shown = |record: &Record| !matches!(record, Record::Done { .. });
        for record in records.into_iter().filter(shown) {
            let bytes = self.bytes + record.bytes();
            if self.waiting.len() < UNPRINTED && bytes <= MAX_UNPRINTED_BYTES {
                self.bytes = bytes;
                self.waiting.push_back(record);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Some wait.
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Hands on what waits, if there is room.
    pub fn pass(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let records = self.take();
        if let Err(TrySendError::Full(back)) = self.sink.try_send(records) {
            self.bytes = back.iter().map(Record::bytes).sum();
            self.waiting = back.into();
        }
    }

    fn take(&mut self) -> Vec<Record> {
        let mut records: Vec<Record> = std::mem::take(&mut self.waiting).into();
        self.bytes = 0;
        let dropped_here = std::mem::take(&mut self.dropped);
        if dropped_here > 0 {
            let text = format!("{} to show; the log has them", dropped(dropped_here));
            let warning = true;
            records.push(Record::Note { warning, text });
        }
        records
    }

    /// Nothing comes any more, so this may wait.
    pub fn end(mut self) {
        let records = self.take();
        if !records.is_empty() {
            // The printer may be gone.
            let _gone = self.sink.send(records);
        }
    }
}
