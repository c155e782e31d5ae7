//! Changes, made in one commit.

use redb::{Database, ReadableTable, Table};

use super::tables::{BODIES, DEAD, EXPIRIES, HEADS, KEYS, NOTES, NUMBERS};
use super::{Change, Changed, StoreError};
use crate::job::{Accepted, Head, Job, JobId, NewJob};

/// Keys forgotten in one commit at the most, so that none takes long.
const FORGET: usize = 64;
/// How long an adopted job is known by its key, in milliseconds: a week, as schedules' are.
const KEEP_ADOPTED: u64 = 7 * 24 * 3_600_000;

/// All tables, for the length of a commit.
struct Tables<'t> {
    heads: Table<'t, u64, &'static [u8]>,
    dead: Table<'t, u64, &'static [u8]>,
    bodies: Table<'t, u64, &'static [u8]>,
    keys: Table<'t, &'static str, (u64, u64)>,
    expiries: Table<'t, (u64, &'static str), ()>,
    notes: Table<'t, &'static str, &'static str>,
    numbers: Table<'t, &'static str, u64>,
    now: u64,
}

pub(super) fn commit(
    db: &Database,
    changes: Vec<Change>,
    now: u64,
) -> Result<Vec<Changed>, StoreError> {
    let writing = db.begin_write()?;
    let mut made = Vec::with_capacity(changes.len());
    {
        let mut tables = Tables {
            heads: writing.open_table(HEADS)?,
            dead: writing.open_table(DEAD)?,
            bodies: writing.open_table(BODIES)?,
            keys: writing.open_table(KEYS)?,
            expiries: writing.open_table(EXPIRIES)?,
            notes: writing.open_table(NOTES)?,
            numbers: writing.open_table(NUMBERS)?,
            now,
        };
        tables.forget()?;
        for change in changes {
            made.push(tables.apply(change)?);
        }
    }
    writing.commit()?;
    Ok(made)
}

impl Tables<'_> {
    fn apply(&mut self, change: Change) -> Result<Changed, StoreError> {
        match change {
            Change::Accept { jobs, notes } => {
                let mut accepted = Vec::with_capacity(jobs.len());
                for job in jobs {
                    accepted.push(self.accept(job)?);
                }
                for (name, note) in notes {
                    match note {
                        Some(note) => drop(self.notes.insert(name.as_str(), note.as_str())?),
                        None => drop(self.notes.remove(name.as_str())?),
                    }
                }
                Ok(Changed::Accepted(accepted))
            }
            Change::Adopt { jobs, from } => {
                let adopted = jobs.into_iter().map(|job| self.adopt(job, &from));
                Ok(Changed::Accepted(adopted.collect::<Result<_, _>>()?))
            }
            Change::Done(id) => {
                self.heads.remove(id.0)?;
                self.bodies.remove(id.0)?;
                Ok(Changed::Made)
            }
            Change::Rewrite(head) => {
                // One that was purged while it ran stays away.
                if self.heads.get(head.id.0)?.is_some() {
                    self.heads.insert(head.id.0, json(&head)?.as_slice())?;
                }
                Ok(Changed::Made)
            }
            Change::Kill(head) => {
                if self.heads.remove(head.id.0)?.is_some() {
                    self.dead.insert(head.id.0, json(&head)?.as_slice())?;
                }
                Ok(Changed::Made)
            }
            Change::Revive(id) => self.revive(id).map(Changed::Revived),
            Change::Purge(ids) => {
                let mut gone = 0;
                for JobId(id) in ids {
                    let alive = self.heads.remove(id)?.is_some();
                    let dead = self.dead.remove(id)?.is_some();
                    self.bodies.remove(id)?;
                    gone += usize::from(alive || dead);
                }
                Ok(Changed::Purged(gone))
            }
        }
    }

    fn accept(&mut self, job: NewJob) -> Result<Accepted, StoreError> {
        let named = job
            .key
            .as_ref()
            .map(|key| format!("{}\0{key}", job.function));
        if let Some(named) = &named {
            let known = self.keys.get(named.as_str())?.map(|known| known.value());
            if let Some((id, until)) = known {
                if until > self.now {
                    return Ok(Accepted::Known(JobId(id)));
                }
                self.expiries.remove((until, named.as_str()))?;
            }
        }
        let id = self.next_id()?;
        if let Some(named) = &named {
            let until = self.now.saturating_add(job.keep_key_ms);
            self.keys.insert(named.as_str(), (id.0, until))?;
            self.expiries.insert((until, named.as_str()), ())?;
        }
        let died_ms = job.dead.is_some().then_some(self.now);
        let head = Head {
            id,
            function: job.function,
            trigger: job.trigger,
            path: job.path,
            headers: job.headers,
            size: job.body.len() as u64,
            order: job.order,
            key: job.key,
            accepted_ms: self.now,
            due_ms: self.now,
            attempts: 0,
            error: job.dead,
            died_ms,
            max_age_ms: Some(job.max_age_ms),
        };
        self.insert(&head, &job.body)?;
        Ok(Accepted::New(Box::new(head)))
    }

    /// A job of another queue, with a number of this one's; all else stays as it was.
    fn adopt(&mut self, job: Job, from: &str) -> Result<Accepted, StoreError> {
        let Job { mut head, body } = job;
        let key = head.key.clone();
        let key = key.unwrap_or_else(|| format!("{from} {}", head.id));
        let named = format!("{}\0{key}", head.function);
        let known = self.keys.get(named.as_str())?.map(|known| known.value());
        if let Some((id, until)) = known {
            if until > self.now {
                return Ok(Accepted::Known(JobId(id)));
            }
            self.expiries.remove((until, named.as_str()))?;
        }
        head.id = self.next_id()?;
        let until = self.now.saturating_add(KEEP_ADOPTED);
        self.keys.insert(named.as_str(), (head.id.0, until))?;
        self.expiries.insert((until, named.as_str()), ())?;
        self.insert(&head, &body)?;
        Ok(Accepted::New(Box::new(head)))
    }

    fn insert(&mut self, head: &Head, body: &[u8]) -> Result<(), StoreError> {
        let text = json(head)?;
        let table = match head.died_ms {
            Some(_) => &mut self.dead,
            None => &mut self.heads,
        };
        table.insert(head.id.0, text.as_slice())?;
        self.bodies.insert(head.id.0, body)?;
        Ok(())
    }

    /// The time, so that numbers sort by acceptance and none comes twice; a clock that was set
    /// back counts on from the last.
    fn next_id(&mut self) -> Result<JobId, StoreError> {
        let last = self.numbers.get("last")?.map_or(0, |last| last.value());
        let id = last.saturating_add(1).max(self.now.saturating_mul(1000));
        self.numbers.insert("last", id)?;
        Ok(JobId(id))
    }

    fn revive(&mut self, id: JobId) -> Result<Option<Head>, StoreError> {
        let found = self.dead.remove(id.0)?.map(|found| found.value().to_vec());
        let Some(text) = found else {
            return Ok(None);
        };
        let mut head = head(id, &text)?;
        head.accepted_ms = self.now;
        head.due_ms = self.now;
        head.attempts = 0;
        head.died_ms = None;
        self.heads.insert(id.0, json(&head)?.as_slice())?;
        Ok(Some(head))
    }

    /// Forgets keys whose time is over.
    fn forget(&mut self) -> Result<(), StoreError> {
        let mut over = Vec::new();
        for entry in self.expiries.iter()?.take(FORGET) {
            let (key, ()) = entry.map(|(key, value)| (key, value.value()))?;
            let (until, named) = key.value();
            if until > self.now {
                break;
            }
            over.push((until, named.to_owned()));
        }
        for (until, named) in over {
            self.expiries.remove((until, named.as_str()))?;
            self.keys.remove(named.as_str())?;
        }
        Ok(())
    }
}

/// A head as it was written.
pub(super) fn head(id: JobId, text: &[u8]) -> Result<Head, StoreError> {
    serde_json::from_slice(text).map_err(|source| StoreError::Foreign { id, source })
}

fn json(head: &Head) -> Result<Vec<u8>, StoreError> {
    let id = head.id;
    serde_json::to_vec(head).map_err(|source| StoreError::Foreign { id, source })
}
