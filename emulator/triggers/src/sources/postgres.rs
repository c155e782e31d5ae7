//! PostgreSQL: LISTEN, and a table as an outbox.
//!
//! NOTIFY reaches connected clients only: a notification while this source is not connected is lost, and
//! PostgreSQL has no way to ask for it later. A project that cannot lose events writes them into a table,
//! in the transaction that makes them true, and names it as `outbox`. The table must have an integer key `id`
//! that grows and a `payload`. Its rows are taken in order, put into the queue's file, and deleted; NOTIFY
//! is then only the hint that there are some, so a lost one delays them for [`POLL_INTERVAL`] and no more.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Notification, Socket};

use fnlocal_core::trigger::SourceSpec;

use super::SourceContext;
use crate::event::{SourceEvent, content_type};
use crate::source::{Ingest, IngestedEvent, Source, SourceError};

/// The outbox is looked into after so long even without a hint.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The time for an answer: the server may be gone silently.
const ANSWER: Duration = Duration::from_secs(20);
/// Notifications that may wait to be taken, after which the connection is read no further.
const WAITING: usize = 1024;

/// A database, and what is heard of it.
pub struct Postgres {
    /// The server and database, as a URL or as `key=value` words.
    pub url: String,
    /// The channel.
    pub channel: String,
    /// The outbox table; none to take what notifications carry.
    pub outbox: Option<String>,
    /// The maximum number of events taken at once.
    pub batch: usize,
}

impl Postgres {
    /// Makes one of a channel, or of an outbox.
    pub(super) fn from_spec(
        spec: &SourceSpec,
        context: &SourceContext<'_>,
    ) -> Result<Self, String> {
        Ok(Self {
            url: context.server(spec)?,
            channel: spec.name.clone(),
            outbox: spec.outbox.clone(),
            batch: spec.batch as usize,
        })
    }
}

impl Source for Postgres {
    fn name(&self) -> String {
        match &self.outbox {
            Some(table) => format!("postgres {table}"),
            None => format!("postgres {}", self.channel),
        }
    }

    fn read<'a>(
        &'a mut self,
        intake: &'a Ingest,
    ) -> Pin<Box<dyn Future<Output = Result<(), SourceError>> + 'a>> {
        Box::pin(self.follow(intake))
    }
}

impl Postgres {
    async fn follow(&self, intake: &Ingest) -> Result<(), SourceError> {
        let connecting = tokio_postgres::connect(&self.url, NoTls);
        let (mut client, connection) = timeout(ANSWER, connecting).await??;
        let (heard, mut notifications) = mpsc::channel(WAITING);
        let listening = async {
            client
                .batch_execute(&format!("LISTEN {}", quoted(&self.channel)))
                .await?;
            intake.reading();
            match &self.outbox {
                Some(table) => {
                    self.drain(&mut client, table, intake, &mut notifications)
                        .await
                }
                None => self.relay(intake, &mut notifications).await,
            }
        };
        tokio::select! {
            done = drive(connection, heard, self.outbox.is_none()) => done,
            done = listening => done,
        }
    }

    /// Takes what notifications carry.
    async fn relay(
        &self,
        intake: &Ingest,
        notifications: &mut mpsc::Receiver<Notification>,
    ) -> Result<(), SourceError> {
        let mut heard = Vec::new();
        while notifications.recv_many(&mut heard, self.batch).await > 0 {
            let events = heard.drain(..).map(|one| {
                // Each event comes once, so it has no key for a repetition.
                let id = format!("{:032x}", rand::random::<u128>());
                self.event(id, Bytes::from(one.payload().to_owned()))
            });
            intake.take(events.collect(), Vec::new()).await?;
        }
        Ok(())
    }

    /// Takes the outbox's rows until there are none, whenever there may be some.
    async fn drain(
        &self,
        client: &mut Client,
        table: &str,
        intake: &Ingest,
        notifications: &mut mpsc::Receiver<Notification>,
    ) -> Result<(), SourceError> {
        loop {
            while self.drain_some(client, table, intake).await? == self.batch {}
            tokio::select! {
                hint = notifications.recv() => if hint.is_none() {
                    return Ok(());
                },
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            while notifications.try_recv().is_ok() {}
        }
    }

    /// Rows that others have locked are theirs to take.
    async fn drain_some(
        &self,
        client: &mut Client,
        table: &str,
        intake: &Ingest,
    ) -> Result<usize, SourceError> {
        let named: Vec<String> = table.split('.').map(quoted).collect();
        let named = named.join(".");
        let transaction = client.transaction().await?;
        let batch = self.batch;
        let rows = format!(
            "SELECT id::text, payload::text, xmin::text FROM {named} \
             ORDER BY id LIMIT {batch} FOR UPDATE SKIP LOCKED"
        );
        let rows = timeout(ANSWER, transaction.query(&rows, &[])).await??;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut ids = Vec::with_capacity(rows.len());
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get(0)?;
            let payload: Option<String> = row.try_get(1)?;
            let written: String = row.try_get(2)?;
            let mut taken = self.event(id.clone(), Bytes::from(payload.unwrap_or_default()));
            // A table that was emptied may count from 1 again; the transaction that wrote the row
            // tells the new one from the old one.
            taken.key = format!("{id} {written}");
            events.push(taken);
            ids.push(id);
        }
        intake.take(events, Vec::new()).await?;
        // Deleted only now: a crash before it has them told again, with the same keys.
        let gone = format!("DELETE FROM {named} WHERE id = ANY($1::text[]::bigint[])");
        timeout(ANSWER, transaction.execute(&gone, &[&ids])).await??;
        timeout(ANSWER, transaction.commit()).await??;
        Ok(rows.len())
    }

    fn event(&self, id: String, data: Bytes) -> IngestedEvent {
        IngestedEvent {
            event: SourceEvent {
                id: id.clone(),
                source: format!("postgres:{}", self.channel),
                kind: "dev.fnlocal.postgres.notification".to_owned(),
                subject: None,
                time_ms: None,
                content_type: content_type(&data).to_owned(),
                data,
            },
            key: id,
            order: None,
        }
    }
}

/// Moves the connection on until it ends, and hands on what it is notified of: all, or as much as
/// there is room for.
async fn drive<T>(
    mut connection: Connection<Socket, T>,
    heard: mpsc::Sender<Notification>,
    all: bool,
) -> Result<(), SourceError>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
    while let Some(message) = messages.next().await {
        if let AsyncMessage::Notification(notification) = message? {
            if all {
                // Nothing else is asked of this connection, so it may wait.
                heard.send(notification).await?;
            } else {
                // Answers to queries must come through, and one hint is as good as many.
                let _full = heard.try_send(notification);
            }
        }
    }
    Err("the server ended the connection".into())
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
