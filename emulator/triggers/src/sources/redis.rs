//! A Redis stream, read as one of a consumer group.
//!
//! Every queue is a consumer of its own, by a name it keeps, so any number of nodes share a group.
//! Unacknowledged entries come first: this consumer's own, then those that other consumers of the
//! group left for a minute (XAUTOCLAIM). An entry is acknowledged when it is in the queue's file.
//! The server's own memory across restarts depends on its configuration: with `appendonly yes` and
//! `appendfsync always` it forgets nothing.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, FromRedisValue, Value};

use fnlocal_core::trigger::SourceSpec;

use super::SourceContext;
use crate::event::{SourceEvent, content_type};
use crate::job_queue::NewJobs;
use crate::source::{Ingest, IngestedEvent, Source, SourceError};

/// How long the server may wait for an entry before it answers that there is none.
const BLOCK: Duration = Duration::from_secs(5);
/// An answer that does not come: longer than the server may wait.
const ANSWER: Duration = Duration::from_secs(10);

/// The age from which an entry that another node was given and has not acknowledged is taken over.
const ABANDONED: Duration = Duration::from_secs(60);

/// A stream and the group it is read as.
pub struct RedisStream {
    /// The server, as a redis URL.
    pub url: String,
    /// The stream's key.
    pub stream: String,
    /// The consumer group, made if it is not there, from the stream's beginning on.
    pub group: String,
    /// The maximum number of entries taken at once.
    pub batch: usize,
    /// An entry that somebody else was given and has not acknowledged for so long is taken over.
    pub abandoned: Duration,
}

impl RedisStream {
    /// Makes one of a stream on a server.
    pub(super) fn from_spec(
        spec: &SourceSpec,
        context: &SourceContext<'_>,
    ) -> Result<Self, String> {
        let group = spec.group.as_deref();
        Ok(Self {
            url: context.server(spec)?,
            stream: spec.name.clone(),
            group: group.unwrap_or(context.project).to_owned(),
            batch: spec.batch as usize,
            abandoned: ABANDONED,
        })
    }
}

/// Under this a queue notes what it is called among the consumers of a group.
const CONSUMER: &str = "redis\0consumer";

impl Source for RedisStream {
    fn name(&self) -> String {
        format!("redis {}", self.stream)
    }

    fn read<'a>(
        &'a mut self,
        intake: &'a Ingest,
    ) -> Pin<Box<dyn Future<Output = Result<(), SourceError>> + 'a>> {
        Box::pin(self.follow(intake))
    }
}

impl RedisStream {
    async fn follow(&self, intake: &Ingest) -> Result<(), SourceError> {
        let client = redis::Client::open(self.url.as_str())?;
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        self.make_group(&mut connection).await?;
        let consumer = &consumer(intake).await?;
        intake.reading();
        self.own(&mut connection, intake, consumer).await?;
        loop {
            self.abandoned(&mut connection, intake, consumer).await?;
            let options = self.options(consumer).block(BLOCK.as_millis() as usize);
            let ids = self.entries(&mut connection, ">", &options).await?;
            self.take(&mut connection, intake, ids).await?;
        }
    }

    async fn make_group(&self, connection: &mut MultiplexedConnection) -> Result<(), SourceError> {
        let made: Result<(), _> = connection
            .xgroup_create_mkstream(&self.stream, &self.group, "0")
            .await;
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Returns the entries that this consumer got before and has not acknowledged.
    async fn own(
        &self,
        connection: &mut MultiplexedConnection,
        intake: &Ingest,
        consumer: &str,
    ) -> Result<(), SourceError> {
        loop {
            let ids = self
                .entries(connection, "0", &self.options(consumer))
                .await?;
            if ids.is_empty() {
                return Ok(());
            }
            self.take(connection, intake, ids).await?;
        }
    }

    async fn abandoned(
        &self,
        connection: &mut MultiplexedConnection,
        intake: &Ingest,
        consumer: &str,
    ) -> Result<(), SourceError> {
        let options = StreamAutoClaimOptions::default().count(self.batch);
        let idle = self.abandoned.as_millis() as usize;
        let claimed: StreamAutoClaimReply = connection
            .xautoclaim_options(&self.stream, &self.group, consumer, idle, "0-0", options)
            .await?;
        self.take(connection, intake, claimed.claimed).await
    }

    async fn entries(
        &self,
        connection: &mut MultiplexedConnection,
        from: &str,
        options: &StreamReadOptions,
    ) -> Result<Vec<StreamId>, SourceError> {
        let reply: Option<StreamReadReply> = connection
            .xread_options(&[&self.stream], &[from], options)
            .await?;
        let keys = reply.map(|reply| reply.keys).unwrap_or_default();
        Ok(keys.into_iter().flat_map(|key| key.ids).collect())
    }

    /// Puts entries into the queue, then acknowledges them.
    async fn take(
        &self,
        connection: &mut MultiplexedConnection,
        intake: &Ingest,
        entries: Vec<StreamId>,
    ) -> Result<(), SourceError> {
        if entries.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        // An entry that was trimmed meanwhile has no fields left: there is nothing to run.
        let there = entries.into_iter().filter(|entry| !entry.map.is_empty());
        intake
            .take(there.map(|entry| self.event(entry)).collect(), Vec::new())
            .await?;
        let _acknowledged: usize = connection.xack(&self.stream, &self.group, &ids).await?;
        Ok(())
    }

    fn options(&self, consumer: &str) -> StreamReadOptions {
        StreamReadOptions::default()
            .group(&self.group, consumer)
            .count(self.batch)
    }

    /// The field `data`, if it is the only one, is the event's data; else all fields as JSON.
    fn event(&self, entry: StreamId) -> IngestedEvent {
        let text = |value: &Value| String::from_redis_value_ref(value).unwrap_or_default();
        let data = match entry.map.get("data") {
            Some(data) if entry.map.len() == 1 => {
                let bytes = Vec::<u8>::from_redis_value_ref(data);
                Bytes::from(bytes.unwrap_or_default())
            }
            _ => {
                let fields = entry
                    .map
                    .iter()
                    .map(|(name, value)| (name.clone(), text(value).into()));
                let fields: serde_json::Map<String, serde_json::Value> = fields.collect();
                Bytes::from(serde_json::Value::Object(fields).to_string())
            }
        };
        let millis = entry
            .id
            .split('-')
            .next()
            .and_then(|millis| millis.parse().ok());
        IngestedEvent {
            event: SourceEvent {
                id: entry.id.clone(),
                source: format!("redis:{}", self.stream),
                kind: "dev.fnlocal.redis.entry".to_owned(),
                subject: None,
                time_ms: millis,
                content_type: content_type(&data).to_owned(),
                data,
            },
            key: entry.id,
            order: None,
        }
    }
}

/// Returns this queue's name: entries that it got before a crash are its own still, for as long as
/// its file is there.
async fn consumer(intake: &Ingest) -> Result<String, SourceError> {
    let queue = intake.queue();
    if let Some(file) = queue.file()
        && let Some(name) = file.read(|file| file.note(CONSUMER)).await?
    {
        return Ok(name);
    }
    let name = format!("fnlocal-{:016x}", rand::random::<u64>());
    let new = NewJobs {
        notes: vec![(CONSUMER.to_owned(), Some(name.clone()))],
        ..NewJobs::default()
    };
    Rc::clone(queue).enqueue(new).await?;
    Ok(name)
}
