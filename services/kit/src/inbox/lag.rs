//! What operators watch of a group: how far it is behind its producer, and what it has parked.

use std::sync::LazyLock;

use opentelemetry::{KeyValue, metrics::Gauge};
use tokio::time::Instant;

use super::{Consumer, sql};
use crate::{
    args,
    bus::{Bus, stream_key},
    outbox::PARTITIONS,
    store::{Db, Error},
    telemetry::{OBSERVE_EVERY, names},
};

struct Instruments {
    lag: Gauge<i64>,
    parked: Gauge<i64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter(names::METER);
    Instruments {
        lag: meter
            .i64_gauge(names::INBOX_LAG)
            .with_unit("{event}")
            .with_description("events of the producer that the group has yet to take; every replica tells the same")
            .build(),
        parked: meter
            .i64_gauge(names::INBOX_PARKED)
            .with_unit("{event}")
            .with_description("events of the producer that the group could not take and keeps for a replay")
            .build(),
    }
});

/// The group's figures, over all partitions, also those that other processes hold or nobody.
pub(super) struct Lag {
    group: &'static str,
    producer: &'static str,
    db: Db,
    bus: Bus,
    keys: Vec<String>,
    // The producer's last positions as the bus last told them: kept while it can't be asked.
    heads: Vec<i64>,
    due: Instant,
}

impl Lag {
    pub(super) fn new(consumer: &Consumer, db: Db, bus: Bus) -> Self {
        let Consumer { group, producer, .. } = *consumer;
        let keys = (0..PARTITIONS).map(|partition| stream_key(producer, partition)).collect();
        Self { group, producer, db, bus, keys, heads: Vec::new(), due: Instant::now() }
    }

    pub(super) async fn observe_if_due(&mut self) {
        if Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + OBSERVE_EVERY;
        match self.measure().await {
            Ok((lag, parked)) => {
                let labels = [
                    KeyValue::new(names::EVENT_GROUP, self.group),
                    KeyValue::new(names::EVENT_PRODUCER, self.producer),
                ];
                INSTRUMENTS.lag.record(lag, &labels);
                INSTRUMENTS.parked.record(parked, &labels);
            }
            Err(error) => {
                tracing::debug!(group = self.group, producer = self.producer, cause = %error, "the lag can't be measured");
            }
        }
    }

    async fn measure(&mut self) -> Result<(i64, i64), Error> {
        if let Ok(heads) = self.bus.last(&self.keys).await {
            self.heads = heads;
        }
        let rows = self.db.read().await?.fetch_all(sql::PROGRESS, args![self.group, self.producer]).await?;
        let (mut lag, mut parked) = (0, 0);
        for (row, head) in rows.iter().zip(self.heads.iter().chain(std::iter::repeat(&0))) {
            lag += (head - row.get::<i64>("position")?).max(0);
            parked += row.get::<i64>("parked")?;
        }
        Ok((lag, parked))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use omnimesh_proto::events::v1::Event;

    use super::*;
    use crate::{
        inbox::{BoxError, EventHandler},
        store::{Migrations, Tx},
        testing::{self, Backend},
    };

    struct Nothing;

    #[async_trait]
    impl EventHandler for Nothing {
        async fn handle(&self, _: &mut Tx, _: &Event) -> Result<(), BoxError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn counts_what_is_behind_and_what_is_parked() {
        let db = testing::db(&Migrations { service: "catalog", postgres: &[], sqlite: &[] }, Backend::Sqlite).await;
        let bus = Bus::memory(10);
        let consumer = Consumer { group: "catalog", producer: "orders", handler: Arc::new(Nothing) };
        let mut lag = Lag::new(&consumer, db.db.clone(), bus.clone());
        assert_eq!(lag.measure().await.unwrap(), (0, 0));
        let mut tx = db.begin().await.unwrap();
        for partition in 0..PARTITIONS {
            tx.execute(sql::ENSURE, args!["catalog", "orders", partition]).await.unwrap();
        }
        tx.execute(sql::COUNT_PARKED, args!["catalog", "orders", 3, 2]).await.unwrap();
        tx.execute_raw("UPDATE checkpoints SET position = 5 WHERE partition = 7").await.unwrap();
        tx.commit().await.unwrap();
        let entry = |position| [(position, bytes::Bytes::new())];
        bus.publish(&stream_key("orders", 3), &entry(4)).await.unwrap();
        bus.publish(&stream_key("orders", 7), &entry(12)).await.unwrap();
        // Another producer's are not its own.
        bus.publish(&stream_key("carts", 7), &entry(99)).await.unwrap();
        assert_eq!(lag.measure().await.unwrap(), (4 + 7, 2));
        // A bus that was emptied makes nobody negative.
        bus.clear();
        assert_eq!(lag.measure().await.unwrap(), (0, 2));
    }
}
