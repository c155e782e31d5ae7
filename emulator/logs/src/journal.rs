//! A thread that keeps records: on disk, and errors grouped. The thread hands them on to the
//! printer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::document::LogDocument;
use super::documents::Documents;
use super::errors::{ErrorGroup, Groups};
use super::printer::Printer;
use super::segments::Segments;
use super::spans::{self, Spans};
use super::{JournalTotals, Record, TotalsView};
use fnlocal_project::ProjectLogs;

/// Where a project's log is, below `.fnlocal`.
pub const FOLDER: &str = "logs";
/// The maximum length of a document, in bytes: texts of the usual maximum, of control characters.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// The maximum number of waiting lists. Each has at most the bytes that may wait at the gateway, and
/// others wait there.
const LISTS: usize = 2;
/// The groups of errors are written at once when they change, but no more often than this.
const SAVE: Duration = Duration::from_millis(500);
/// How often a printer that was busy is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// With nothing due, a wait as good as endless.
const IDLE: Duration = Duration::from_secs(3600);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// The maximum number of bytes of all files together.
    pub size: u64,
    /// How old a record may become.
    pub age: Duration,
}

impl Default for JournalLimits {
    /// 64 MB are some 200,000 lines; a week is what people look back.
    fn default() -> Self {
        Self {
            size: 64 << 20,
            age: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl From<&ProjectLogs> for JournalLimits {
    fn from(said: &ProjectLogs) -> Self {
        let usual = Self::default();
        Self {
            size: said.size.map_or(usual.size, |size| size.0),
            age: said.age.map_or(usual.age, |age| age.0),
        }
    }
}

/// The kept records, for readers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    folder: PathBuf,
    written: watch::Receiver<u64>,
    groups: Arc<Mutex<Groups>>,
    totals: Arc<JournalTotals>,
    /// Ends who follows it.
    stop: CancellationToken,
}

impl Archive {
    /// The same, whose followers are let go when `stop` is cancelled.
    #[must_use]
    pub fn until(mut self, stop: &CancellationToken) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Waits until followers are to go.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// The folder of the files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes whenever there is more to read.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// The groups of errors, the last seen first.
    #[must_use]
    pub fn errors(&self) -> Vec<ErrorGroup> {
        lock(&self.groups).all()
    }

    /// Counts of what was kept.
    #[must_use]
    pub fn totals(&self) -> TotalsView {
        self.totals.view()
    }
}

/// Starts the thread. The thread ends when every sender is gone.
///
/// # Errors
/// The folder cannot be made, or the thread not be started.
pub(super) fn start(
    folder: PathBuf,
    bounds: JournalLimits,
    printer: SyncSender<Vec<Record>>,
    service: &str,
) -> io::Result<(SyncSender<Vec<Record>>, Archive, bool)> {
    let segments = Segments::open(&folder, bounds)?;
    let groups = Arc::new(Mutex::new(Groups::read(&folder)));
    let totals = Arc::new(JournalTotals::default());
    let spans = start_spans(service, &totals, &printer);
    let sends = spans.is_some();
    let (changed, written) = watch::channel(0);
    let (sender, lists) = sync_channel(LISTS);
    let archive = Archive {
        folder: folder.clone(),
        written,
        groups: Arc::clone(&groups),
        totals: Arc::clone(&totals),
        stop: CancellationToken::new(),
    };
    let journal = Journal {
        folder,
        segments,
        documents: Documents::default(),
        groups,
        totals,
        changed,
        spans,
        line: Vec::new(),
        unsaved: None,
        rests: Instant::now(),
        failing: false,
        lost: 0,
        printer: Printer::new(printer),
    };
    let thread = std::thread::Builder::new().name("journal".into());
    thread.spawn(move || journal.run(&lists))?;
    Ok((sender, archive, sends))
}

/// Starts the exporter of spans, if there is one. A failure is reported, and no reason to stop.
fn start_spans(
    service: &str,
    totals: &Arc<JournalTotals>,
    printer: &SyncSender<Vec<Record>>,
) -> Option<Spans> {
    if !spans::wanted() {
        return None;
    }
    match Spans::start(service, Arc::clone(totals), printer.clone()) {
        Ok(spans) => Some(spans),
        Err(error) => {
            let text = format!("traces cannot be sent: {error}");
            let warning = true;
            let _busy = printer.try_send(vec![Record::Note { warning, text }]);
            None
        }
    }
}

fn lock(groups: &Mutex<Groups>) -> MutexGuard<'_, Groups> {
    groups.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Journal {
    folder: PathBuf,
    segments: Segments,
    documents: Documents,
    groups: Arc<Mutex<Groups>>,
    totals: Arc<JournalTotals>,
    changed: watch::Sender<u64>,
    spans: Option<Spans>,
    line: Vec<u8>,
    /// When the groups have to be written.
    unsaved: Option<Instant>,
    /// Before this they are not written again.
    rests: Instant,
    /// The last write failed.
    failing: bool,
    /// Documents that could not be written since.
    lost: u64,
    printer: Printer,
}

impl Journal {
    fn run(mut self, lists: &Receiver<Vec<Record>>) {
        loop {
            let now = Instant::now();
            let wait = self
                .next_due()
                .map_or(IDLE, |due| due.saturating_duration_since(now));
            match lists.recv_timeout(wait) {
                Ok(mut records) => {
                    for record in &mut records {
                        self.take(record);
                    }
                    // First kept, then shown: who reads of an error finds it among the kept ones.
                    self.settle(Instant::now());
                    self.printer.add(records);
                }
                Err(RecvTimeoutError::Timeout) => self.settle(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.printer.pass();
        }
        for kept in self.documents.rest() {
            self.write(&kept);
        }
        self.flush();
        self.save();
        if let Some(spans) = self.spans {
            spans.end();
        }
        self.printer.end();
    }

    fn next_due(&self) -> Option<Instant> {
        let printing = self.printer.is_busy().then(|| Instant::now() + RETRY);
        let due = [self.documents.next_due(), self.unsaved, printing];
        due.into_iter().flatten().min()
    }

    fn settle(&mut self, now: Instant) {
        while let Some(kept) = self.documents.overdue(now) {
            self.write(&kept);
        }
        self.flush();
        if self.unsaved.is_some_and(|due| due <= now) {
            self.save();
        }
    }

    fn take(&mut self, record: &mut Record) {
        #[cfg(test)]
        thread_faults::look(record);
        let seen = lock(&self.groups).take(record, SystemTime::now());
        if let Some(cause) = seen {
            self.totals.error(cause);
            self.unsaved = Some(self.rests);
        }
        match record {
            Record::Request(request) => {
                if let Some(spans) = &self.spans {
                    spans.take(request);
                }
            }
            Record::Dropped { count, .. } => JournalTotals::add(&self.totals.dropped, *count),
            _ => {}
        }
        for kept in self.documents.take(record, Instant::now()) {
            self.write(&kept);
        }
    }

    fn write(&mut self, kept: &LogDocument) {
        let mut encoded = self.encode(kept);
        if self.line.len() > MAX_DOCUMENT_BYTES {
            let mut kept = kept.clone();
            kept.cut();
            encoded = self.encode(&kept);
        }
        self.line.push(b'\n');
        let written = encoded
            .map_err(io::Error::from)
            .and_then(|()| self.segments.write(&self.line));
        match written {
            Ok(()) => {
                JournalTotals::add(&self.totals.bytes, self.line.len() as u64);
                match kept {
                    LogDocument::Invocation(_) => JournalTotals::add(&self.totals.invocations, 1),
                    LogDocument::Line(_) => JournalTotals::add(&self.totals.lines, 1),
                    LogDocument::Platform(_) => {}
                }
            }
            Err(error) => self.failed(&error, 1),
        }
    }

    fn encode(&mut self, kept: &LogDocument) -> serde_json::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, kept)
    }

    fn flush(&mut self) {
        if let Err(error) = self.segments.flush() {
            return self.failed(&error, 0);
        }
        self.changed.send_if_modified(|bytes| {
            let now = self.totals.bytes.load(Ordering::Relaxed);
            std::mem::replace(bytes, now) != now
        });
        if std::mem::take(&mut self.failing) && self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            self.say(format!(
                "the log is kept again; {lost} records are not in it"
            ));
        }
    }

    /// A full disk, most likely. Said once, and tried again with every list.
    fn failed(&mut self, error: &io::Error, lost: u64) {
        self.segments.abandon();
        self.lost += lost;
        JournalTotals::add(&self.totals.dropped, lost);
        if !std::mem::replace(&mut self.failing, true) {
            let folder = self.folder.display();
            self.say(format!("the log cannot be kept in {folder}: {error}"));
        }
    }

    fn say(&mut self, text: String) {
        let warning = true;
        self.printer.add(vec![Record::Note { warning, text }]);
    }

    fn save(&mut self) {
        self.unsaved = None;
        self.rests = Instant::now() + SAVE;
        let saved = lock(&self.groups).save(&self.folder);
        if let Err(error) = saved {
            self.failed(&error, 0);
        }
    }
}

#[cfg(test)]
mod thread_faults;

#[cfg(test)]
mod tests {
    use super::*;
    use fnlocal_api::Cause;

    #[test]
    fn an_error_is_on_disk_before_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (printer, shown) = sync_channel(1);
        let bounds = JournalLimits::default();
        let (sender, _archive, _) =
            start(folder.path().to_owned(), bounds, printer, "shop").unwrap();
        sender.send(vec![error()]).unwrap();
        let records = shown.recv().unwrap();
        assert!(matches!(records[..], [Record::Error { .. }]));
        assert_eq!(Groups::read(folder.path()).all().len(), 1);
    }

    #[test]
    fn a_log_document_never_exceeds_its_maximum_size() {
        let folder = tempfile::tempdir().unwrap();
        let (printer, shown) = sync_channel(1);
        let bounds = JournalLimits::default();
        let (sender, archive, _) =
            start(folder.path().to_owned(), bounds, printer, "shop").unwrap();
        let text = "\u{1}".repeat(3 << 20);
        let warning = true;
        sender.send(vec![Record::Note { warning, text }]).unwrap();
        shown.recv().unwrap();
        let bytes = *archive.written().borrow();
        assert!((1..=MAX_DOCUMENT_BYTES as u64).contains(&bytes), "{bytes}");
    }

    fn error() -> Record {
        Record::Error {
            function: Some("bid".into()),
            instance: fnlocal_core::InstanceId(1),
            node: "local".into(),
            request: None,
            failure: fnlocal_api::Failure::default(),
            cause: Cause::Handler,
            fatal: false,
            code: "c0de".to_owned(),
            before: 0,
        }
    }
}
