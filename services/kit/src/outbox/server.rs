//! Serves the log to the services that hear of its events.

use omnimesh_proto::events::v1::{EventsSinceRequest, EventsSinceResponse, event_log_service_server::EventLogService};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{PARTITIONS, since};
use crate::{error::Fault, store::Db};

const DEFAULT_LIMIT: i32 = 500;
const MAX_LIMIT: i32 = 1_000;
// Under the 4 MiB that clients accept by default.
const MAX_BYTES: usize = 3 << 20;

/// The log of one service.
#[derive(Clone, Debug)]
pub struct EventLog {
    db: Db,
}

impl EventLog {
    /// The log in that database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    async fn read(&self, request: &EventsSinceRequest) -> Result<EventsSinceResponse, Fault> {
        let EventsSinceRequest { partition, position, limit } = *request;
        if partition >= PARTITIONS {
            return Err(Fault::invalid("partition", format!("0 to {} is accepted", PARTITIONS - 1)));
        }
        if position < 0 {
            return Err(Fault::invalid("position", "0 and above is accepted"));
        }
        let limit = match limit {
            0 => DEFAULT_LIMIT,
            1..=MAX_LIMIT => limit,
            _ => return Err(Fault::invalid("limit", format!("0 to {MAX_LIMIT} is accepted"))),
        };
        let mut conn = self.db.read().await?;
        let mut events = since(&mut conn, self.db.service(), partition, position, i64::from(limit)).await?;
        let mut bytes = 0;
        let fitting = events.iter().take_while(|event| {
            bytes += event.encoded_len() + 8;
            bytes <= MAX_BYTES
        });
        // At least one, or the reader would never get past it.
        let count = fitting.count().max(1);
        events.truncate(count);
        Ok(EventsSinceResponse { events })
    }
}

#[tonic::async_trait]
impl EventLogService for EventLog {
    async fn events_since(
        &self,
        request: Request<EventsSinceRequest>,
    ) -> Result<Response<EventsSinceResponse>, Status> {
        Ok(Response::new(self.read(request.get_ref()).await?))
    }
}
