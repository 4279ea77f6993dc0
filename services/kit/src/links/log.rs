//! The event logs of other services, read over links.

use async_trait::async_trait;
use omnimesh_proto::events::v1::{Event, EventsSinceRequest, event_log_service_client::EventLogServiceClient};

use super::Links;
use crate::{
    call::Call,
    inbox::{BoxError, LogSource},
};

#[async_trait]
impl LogSource for Links {
    async fn events_since(&self, producer: &str, partition: u32, position: i64) -> Result<Vec<Event>, BoxError> {
        let call = Call::system(self.from.as_deref().unwrap_or("mesh"));
        let request = EventsSinceRequest { partition, position, ..EventsSinceRequest::default() };
        let mut log = EventLogServiceClient::new(self.to(producer, &call).idempotent());
        Ok(log.events_since(request).await?.into_inner().events)
    }
}
