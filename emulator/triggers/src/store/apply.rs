//! Changes, made in one commit.

use std::sync::Arc;

use redb::{Database, ReadableTable, ReadableTableMetadata, Table};

use super::bodies::BodyFile;
use super::tables::{
    BODIES, COMMITTED, DEAD, EXPIRIES, FILES, HEADS, KEYS, LAST, NOTES, NUMBERS, TableTotals,
    key_bytes,
};
use super::{Changed, QueueChange, QueueStoreError};
use crate::job::{Accepted, Job, JobId, JobMeta, NewJob};

/// The maximum number of keys forgotten in one commit, so that none takes long; more than one
/// commit brings.
const MAX_KEYS_FORGOTTEN: usize = 512;
/// The maximum number of bytes that idempotency keys take; beyond them the oldest are forgotten
/// before their time.
const MAX_KEY_BYTES: u64 = 128 << 20;
/// The maximum number of dead letters; beyond it the oldest are removed.
pub const MAX_DEAD_LETTERS: u64 = 10_000;
/// The maximum number of bytes that dead letters take, bodies included. One may be larger by itself.
pub const MAX_DEAD_BYTES: u64 = 256 << 20;
/// How long an adopted job is known by its key, in milliseconds: a week, as schedules' are.
const KEEP_ADOPTED: u64 = 7 * 24 * 3_600_000;

/// All tables, for the length of a commit.
struct CommitTables<'t> {
    heads: Table<'t, u64, &'static [u8]>,
    dead: Table<'t, u64, &'static [u8]>,
    bodies: Table<'t, u64, &'static [u8]>,
    files: Table<'t, u64, &'static str>,
    keys: Table<'t, &'static str, (u64, u64)>,
    expiries: Table<'t, (u64, &'static str), ()>,
    notes: Table<'t, &'static str, &'static str>,
    numbers: Table<'t, &'static str, u64>,
    totals: TableTotals,
    now: u64,
    /// Names of files that no job has once this is on disk.
    over: Vec<String>,
    /// Files that jobs have once this is on disk.
    taken: Vec<Arc<BodyFile>>,
}

/// The result of a commit.
pub(super) struct Committed {
    pub live_bytes: u64,
    pub changed: Vec<Changed>,
    pub over: Vec<String>,
    pub taken: Vec<Arc<BodyFile>>,
}

pub(super) fn commit(
    db: &Database,
    changes: Vec<QueueChange>,
    now: u64,
) -> Result<Committed, QueueStoreError> {
    let writing = db.begin_write()?;
    let mut changed = Vec::with_capacity(changes.len());
    let (over, taken, live_bytes) = {
        let numbers = writing.open_table(NUMBERS)?;
        let mut tables = CommitTables {
            heads: writing.open_table(HEADS)?,
            dead: writing.open_table(DEAD)?,
            bodies: writing.open_table(BODIES)?,
            files: writing.open_table(FILES)?,
            keys: writing.open_table(KEYS)?,
            expiries: writing.open_table(EXPIRIES)?,
            notes: writing.open_table(NOTES)?,
            totals: TableTotals::read(&numbers)?,
            numbers,
            now,
            over: Vec::new(),
            taken: Vec::new(),
        };
        tables.forget()?;
        for change in changes {
            changed.push(tables.apply(change)?);
        }
        tables.totals.write(&mut tables.numbers)?;
        tables.numbers.insert(COMMITTED, now)?;
        (tables.over, tables.taken, tables.totals.live())
    };
    writing.commit()?;
    Ok(Committed {
        live_bytes,
        changed,
        over,
        taken,
    })
}

impl CommitTables<'_> {
    fn apply(&mut self, change: QueueChange) -> Result<Changed, QueueStoreError> {
        match change {
            QueueChange::Accept { jobs, notes, file } => {
                let last = jobs.len().saturating_sub(1);
                let mut accepted = Vec::with_capacity(jobs.len());
                for (index, job) in jobs.into_iter().enumerate() {
                    let file = file.as_ref().filter(|_| index == last);
                    accepted.push(self.accept(job, file)?);
                }
                for (name, note) in notes {
                    match note {
                        Some(note) => drop(self.notes.insert(name.as_str(), note.as_str())?),
                        None => drop(self.notes.remove(name.as_str())?),
                    }
                }
                Ok(Changed::Accepted(accepted))
            }
            QueueChange::Adopt { jobs, from, file } => {
                let adopted = jobs.into_iter();
                let adopted = adopted.map(|job| self.adopt(job, &from, file.as_ref()));
                Ok(Changed::Accepted(adopted.collect::<Result<_, _>>()?))
            }
            QueueChange::Done(id) => {
                self.remove_head(id)?;
                self.remove_body(id)?;
                Ok(Changed::Made)
            }
            QueueChange::Rewrite(head) => {
                // One that was purged while it ran stays away.
                if self.remove_head(head.id)? {
                    self.insert_head(&head)?;
                }
                Ok(Changed::Made)
            }
            QueueChange::Kill(head) => {
                if self.remove_head(head.id)? {
                    self.bury(&head)?;
                }
                self.bound_dead().map(Changed::Killed)
            }
            QueueChange::Revive(id) => self.revive(id).map(Changed::Revived),
            QueueChange::Purge(ids) => {
                let mut gone = 0;
                for id in ids {
                    let alive = self.remove_head(id)?;
                    let dead = self.unbury(id)?.is_some();
                    self.remove_body(id)?;
                    gone += usize::from(alive || dead);
                }
                Ok(Changed::Purged(gone))
            }
        }
    }

    fn insert_head(&mut self, head: &JobMeta) -> Result<(), QueueStoreError> {
        let text = json(head)?;
        self.totals.alive += text.len() as u64;
        self.heads.insert(head.id.0, text.as_slice())?;
        Ok(())
    }

    /// Removes a job's head. Returns whether there was one.
    fn remove_head(&mut self, id: JobId) -> Result<bool, QueueStoreError> {
        let found = self.heads.remove(id.0)?;
        let bytes = found.as_ref().map(|text| text.value().len() as u64);
        less(&mut self.totals.alive, bytes.unwrap_or_default());
        Ok(bytes.is_some())
    }

    fn bury(&mut self, head: &JobMeta) -> Result<(), QueueStoreError> {
        let text = json(head)?;
        self.totals.alive += text.len() as u64;
        self.totals.dead += head.bytes();
        self.dead.insert(head.id.0, text.as_slice())?;
        Ok(())
    }

    /// Takes a job out of the dead letters.
    fn unbury(&mut self, id: JobId) -> Result<Option<JobMeta>, QueueStoreError> {
        let found = self.dead.remove(id.0)?.map(|found| found.value().to_vec());
        let Some(text) = found else {
            return Ok(None);
        };
        less(&mut self.totals.alive, text.len() as u64);
        let head = head(id, &text)?;
        less(&mut self.totals.dead, head.bytes());
        Ok(Some(head))
    }

    /// Removes the oldest dead letters that are more than may be, and returns how many.
    fn bound_dead(&mut self) -> Result<usize, QueueStoreError> {
        let mut gone = 0;
        while self.dead.len()? > 1 {
            if self.dead.len()? <= MAX_DEAD_LETTERS && self.totals.dead <= MAX_DEAD_BYTES {
                break;
            }
            let oldest = self.dead.first()?.map(|(id, _)| JobId(id.value()));
            let Some(oldest) = oldest else { break };
            self.unbury(oldest)?;
            self.remove_body(oldest)?;
            gone += 1;
        }
        Ok(gone)
    }

    fn remove_body(&mut self, id: JobId) -> Result<(), QueueStoreError> {
        let body = self.bodies.remove(id.0)?;
        let bytes = body.map_or(0, |body| body.value().len() as u64);
        less(&mut self.totals.alive, bytes);
        let file = self.files.remove(id.0)?;
        self.over.extend(file.map(|name| name.value().to_owned()));
        Ok(())
    }

    fn remember(&mut self, named: &str, id: JobId, until: u64) -> Result<(), QueueStoreError> {
        self.keys.insert(named, (id.0, until))?;
        self.expiries.insert((until, named), ())?;
        self.totals.keys += key_bytes(named);
        Ok(())
    }

    /// The job that is known by a key; one that is known no longer is forgotten.
    fn known(&mut self, named: &str) -> Result<Option<JobId>, QueueStoreError> {
        let known = self.keys.get(named)?.map(|known| known.value());
        let Some((id, until)) = known else {
            return Ok(None);
        };
        if until > self.now {
            return Ok(Some(JobId(id)));
        }
        self.forget_one(named, until)?;
        Ok(None)
    }

    fn forget_one(&mut self, named: &str, until: u64) -> Result<(), QueueStoreError> {
        self.expiries.remove((until, named))?;
        self.keys.remove(named)?;
        less(&mut self.totals.keys, key_bytes(named));
        Ok(())
    }

    fn accept(
        &mut self,
        job: NewJob,
        file: Option<&Arc<BodyFile>>,
    ) -> Result<Accepted, QueueStoreError> {
        let named = job
            .key
            .as_ref()
            .map(|key| format!("{}\0{key}", job.function));
        if let Some(named) = &named
            && let Some(known) = self.known(named)?
        {
            return Ok(Accepted::Known(known));
        }
        let id = self.next_id()?;
        if let Some(named) = &named {
            let until = self.now.saturating_add(job.keep_key_ms);
            self.remember(named, id, until)?;
        }
        let died_ms = job.dead.is_some().then_some(self.now);
        let head = JobMeta {
            id,
            function: job.function,
            trigger: job.trigger,
            path: job.path,
            headers: job.headers,
            size: file.map_or(job.body.len() as u64, |file| file.size()),
            order: job.order,
            key: job.key,
            accepted_ms: self.now,
            due_ms: self.now,
            attempts: 0,
            error: job.dead,
            died_ms,
            max_age_ms: Some(job.max_age_ms),
        };
        self.insert(&head, &job.body, file)?;
        Ok(Accepted::New(Box::new(head)))
    }

    /// A job of another queue, with a number of this one's; all else stays as it was.
    fn adopt(
        &mut self,
        job: Job,
        from: &str,
        file: Option<&Arc<BodyFile>>,
    ) -> Result<Accepted, QueueStoreError> {
        let Job { mut head, body, .. } = job;
        let key = head.key.clone();
        let key = key.unwrap_or_else(|| format!("{from} {}", head.id));
        let named = format!("{}\0{key}", head.function);
        if let Some(known) = self.known(&named)? {
            return Ok(Accepted::Known(known));
        }
        head.id = self.next_id()?;
        head.size = file.map_or(body.len() as u64, |file| file.size());
        let until = self.now.saturating_add(KEEP_ADOPTED);
        self.remember(&named, head.id, until)?;
        self.insert(&head, &body, file)?;
        Ok(Accepted::New(Box::new(head)))
    }

    fn insert(
        &mut self,
        head: &JobMeta,
        body: &[u8],
        file: Option<&Arc<BodyFile>>,
    ) -> Result<(), QueueStoreError> {
        let id = head.id.0;
        match file {
            Some(file) => {
                self.files.insert(id, file.name())?;
                self.taken.push(Arc::clone(file));
            }
            None => {
                self.totals.alive += body.len() as u64;
                self.bodies.insert(id, body)?;
            }
        }
        if head.died_ms.is_some() {
            self.bury(head)?;
            return self.bound_dead().map(drop);
        }
        self.insert_head(head)
    }

    /// The time, so that numbers sort by acceptance and none comes twice; a clock that was set
    /// back counts on from the last.
    fn next_id(&mut self) -> Result<JobId, QueueStoreError> {
        let last = self.numbers.get(LAST)?.map_or(0, |last| last.value());
        let id = last.saturating_add(1).max(self.now.saturating_mul(1000));
        self.numbers.insert(LAST, id)?;
        Ok(JobId(id))
    }

    fn revive(&mut self, id: JobId) -> Result<Option<JobMeta>, QueueStoreError> {
        let Some(mut head) = self.unbury(id)? else {
            return Ok(None);
        };
        head.accepted_ms = self.now;
        head.due_ms = self.now;
        head.attempts = 0;
        head.died_ms = None;
        self.insert_head(&head)?;
        Ok(Some(head))
    }

    /// Forgets keys whose time is over, and those that are more than may be.
    fn forget(&mut self) -> Result<(), QueueStoreError> {
        let mut bytes = self.totals.keys;
        let mut over = Vec::new();
        for entry in self.expiries.iter()?.take(MAX_KEYS_FORGOTTEN) {
            let (key, ()) = entry.map(|(key, value)| (key, value.value()))?;
            let (until, named) = key.value();
            if until > self.now && bytes <= MAX_KEY_BYTES {
                break;
            }
            bytes = bytes.saturating_sub(key_bytes(named));
            over.push((until, named.to_owned()));
        }
        for (until, named) in over {
            self.forget_one(&named, until)?;
        }
        Ok(())
    }
}

fn less(number: &mut u64, by: u64) {
    *number = number.saturating_sub(by);
}

/// A head as it was written.
pub(super) fn head(id: JobId, text: &[u8]) -> Result<JobMeta, QueueStoreError> {
    serde_json::from_slice(text).map_err(|source| QueueStoreError::Foreign { id, source })
}

fn json(head: &JobMeta) -> Result<Vec<u8>, QueueStoreError> {
    let id = head.id;
    serde_json::to_vec(head).map_err(|source| QueueStoreError::Foreign { id, source })
}
