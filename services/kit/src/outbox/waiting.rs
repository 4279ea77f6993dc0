//! What operators watch of a relay: how many events it has yet to send.

use std::sync::LazyLock;

use opentelemetry::{KeyValue, metrics::Gauge};
use tokio::time::Instant;

use super::{PARTITIONS, heads, sql};
use crate::{
    args,
    bus::{Bus, stream_key},
    store::{Db, Error},
    telemetry::{OBSERVE_EVERY, names},
};

static WAITING: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    opentelemetry::global::meter(names::METER)
        .i64_gauge(names::OUTBOX_WAITING)
        .with_unit("{event}")
        .with_description("committed events that the bus does not have yet; every replica tells the same")
        .build()
});

pub(super) struct Waiting {
    db: Db,
    bus: Bus,
    keys: Vec<String>,
    // What the bus last said it had: kept while it can't be asked.
    sent: Vec<i64>,
    due: Instant,
}

impl Waiting {
    pub(super) fn new(db: Db, bus: Bus) -> Self {
        let keys = (0..PARTITIONS).map(|partition| stream_key(db.service(), partition)).collect();
        Self { db, bus, keys, sent: Vec::new(), due: Instant::now() }
    }

    pub(super) async fn observe_if_due(&mut self) {
        if Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + OBSERVE_EVERY;
        match self.measure().await {
            Ok(waiting) => {
                WAITING.record(waiting, &[KeyValue::new(names::EVENT_PRODUCER, self.db.service().to_owned())]);
            }
            Err(error) => tracing::debug!(service = self.db.service(), cause = %error, "the outbox can't be measured"),
        }
    }

    async fn measure(&mut self) -> Result<i64, Error> {
        if let Ok(sent) = self.bus.last(&self.keys).await {
            self.sent = sent;
        }
        let mut conn = self.db.read().await?;
        let mut waiting = conn.fetch_one(sql::COUNT_WAITING, args![]).await?.get::<i64>("waiting")?;
        for (head, sent) in heads(&mut conn).await?.into_values().zip(&self.sent) {
            // A bus that was emptied gets the last event alone: the others are read from the log.
            waiting += if *sent == 0 { head.min(1) } else { (head - sent).max(0) };
        }
        Ok(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::Call,
        outbox::{self, Relay, Step},
        store::{Migrations, lease::Terms},
        testing::{self, BACKENDS},
    };

    #[tokio::test]
    async fn counts_what_was_not_sent() {
        for backend in BACKENDS {
            let db = testing::db(&Migrations { service: "orders", postgres: &[], sqlite: &[] }, backend).await;
            let bus = Bus::memory(10);
            let mut waiting = Waiting::new(db.db.clone(), bus.clone());
            let payload = omnimesh_proto::common::v1::Actor::default();
            let mut tx = db.begin().await.unwrap();
            for seq in 1..=3 {
                outbox::append(&mut tx, &Call::system("orders"), "a", seq, &payload).await.unwrap();
            }
            tx.commit().await.unwrap();
            assert_eq!(waiting.measure().await.unwrap(), 3);
            // Places without a bus.
            let unreachable = Bus::redis("redis://127.0.0.1:9", 10).unwrap();
            Relay::new(db.db.clone(), unreachable, Terms::of(&db)).step().await.unwrap();
            assert_eq!(waiting.measure().await.unwrap(), 1, "the head, from which consumers see the gap");
            db.clock.advance(std::time::Duration::from_secs(600));
            let mut relay = Relay::new(db.db.clone(), bus, Terms::of(&db));
            while relay.step().await.unwrap() == Step::Worked {}
            assert_eq!(waiting.measure().await.unwrap(), 0);
        }
    }
}
