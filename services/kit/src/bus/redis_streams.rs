//! The bus over Redis Streams. No consumer groups: who reads what is decided by leases in the databases, where the effects are.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, Client, RedisError, Value,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    streams::{StreamRangeReply, StreamReadReply},
};

use super::{Entry, Error};

const PAGE: usize = 256;
const FIELD: &str = "event";

/// A connection to Redis, shared by everything that does not block.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    shared: ConnectionManager,
    keep: usize,
}

impl Redis {
    pub(super) fn new(url: &str, keep: usize) -> Result<Self, Error> {
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1);
        let shared = client.get_connection_manager_lazy(config)?;
        Ok(Self { client, shared, keep })
    }

    pub(super) async fn publish(&self, key: &str, entries: &[(i64, Bytes)]) -> Result<(), Error> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for (position, body) in entries {
            pipe.cmd("XADD").arg(key).arg("MAXLEN").arg("~").arg(self.keep);
            pipe.arg(format!("{position}-0")).arg(FIELD).arg(body.as_ref());
        }
        let answers: Vec<Result<Value, RedisError>> = pipe.query_async(&mut self.shared.clone()).await?;
        // A position that is not above the stream's last: it was sent before.
        let sent = |error: &RedisError| error.detail().is_some_and(|detail| detail.contains("equal or smaller"));
        match answers.into_iter().find_map(|answer| answer.err().filter(|error| !sent(error))) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    pub(super) async fn last(&self, keys: &[String]) -> Result<Vec<i64>, Error> {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.cmd("XREVRANGE").arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        }
        let answers: Vec<StreamRangeReply> = pipe.query_async(&mut self.shared.clone()).await?;
        Ok(answers.iter().map(|reply| reply.ids.first().map_or(0, |entry| position_of(&entry.id))).collect())
    }

    pub(super) fn reader(&self) -> RedisReader {
        RedisReader { client: self.client.clone(), connection: None }
    }
}

/// Blocking reads, on a connection of their own.
pub struct RedisReader {
    client: Client,
    connection: Option<MultiplexedConnection>,
}

impl RedisReader {
    pub(super) async fn read(&mut self, keys: &[(String, i64)], block: Duration) -> Result<Vec<Entry>, Error> {
        // Taken out while in use: an error or a read that was dropped half-way leaves none, and the next read connects anew.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(Duration::from_secs(2)))
                    .set_response_timeout(Some(block + Duration::from_secs(2)));
                self.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        let mut command = redis::cmd("XREAD");
        // 0 would block for ever.
        command.arg("COUNT").arg(PAGE).arg("BLOCK").arg(block.as_millis().max(1).to_string()).arg("STREAMS");
        for (key, _) in keys {
            command.arg(key);
        }
        for (_, after) in keys {
            command.arg(format!("{after}-0"));
        }
        let reply: Option<StreamReadReply> = command.query_async(&mut connection).await?;
        self.connection = Some(connection);

        let index: HashMap<&str, usize> = keys.iter().enumerate().map(|(n, (key, _))| (key.as_str(), n)).collect();
        let mut found = Vec::new();
        for stream in reply.map(|reply| reply.keys).unwrap_or_default() {
            let Some(key) = index.get(stream.key.as_str()).copied() else { continue };
            for mut entry in stream.ids {
                if let Some(Value::BulkString(body)) = entry.map.remove(FIELD) {
                    found.push(Entry { key, position: position_of(&entry.id), body: body.into() });
                }
            }
        }
        Ok(found)
    }
}

fn position_of(id: &str) -> i64 {
    id.split('-').next().and_then(|position| position.parse().ok()).unwrap_or(0)
}
