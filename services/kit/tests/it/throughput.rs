//! How many events a second a consumer gives their effects. Run by hand:
//! `cargo test -p omnimesh-kit --test it consumer_throughput -- --ignored --nocapture`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use omnimesh_kit::{
    args,
    bus::Bus,
    inbox::{self, BoxError, Consumer, EventHandler},
    lifecycle::Lifecycle,
    outbox::{self, Relay, Step},
    store::{Tx, lease::Terms},
    testing::{self, BACKENDS, DirectLog},
};
use omnimesh_proto::events::v1::Event;
use tokio::sync::Semaphore;

use crate::fixture::{CONSUMER, PRODUCER, call, payload, sql};

const EVENTS: u32 = 4_000;
/// As an import does it: one event each of many aggregates.
const AT_ONCE: u32 = 100;

/// One row for each event.
struct Insert(Semaphore);

#[async_trait]
impl EventHandler for Insert {
    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        tx.execute(sql::NEW_COUNTER, args![&event.aggregate_id]).await?;
        self.0.add_permits(1);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn consumer_throughput() {
    for backend in BACKENDS {
        let producer = testing::db(&PRODUCER, backend).await;
        let consumer = testing::db(&CONSUMER, backend).await;
        let bus = Bus::memory(10_000);
        for n in 0..EVENTS / AT_ONCE {
            let mut tx = producer.begin().await.unwrap();
            for n in n * AT_ONCE..(n + 1) * AT_ONCE {
                let id = format!("order_{n}");
                outbox::append(&mut tx, &call(), &id, 1, &payload(id.clone())).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
        let mut relay = Relay::new(producer.db.clone(), bus.clone(), Terms::of(&producer));
        while relay.step().await.unwrap() == Step::Worked {}

        let life = Lifecycle::new();
        let handler = Arc::new(Insert(Semaphore::new(0)));
        let log = Arc::new(DirectLog(vec![Arc::new(producer.db.clone())]));
        let started = Instant::now();
        let of = Consumer { group: "catalog", producer: "orders", handler: handler.clone() };
        life.spawn("consumer", inbox::run(of, consumer.db.clone(), bus, log, life.token()));
        drop(handler.0.acquire_many(EVENTS).await.unwrap());
        let taken = started.elapsed();
        let rate = u128::from(EVENTS) * 1_000 / taken.as_millis();
        println!("{backend:?}: {EVENTS} events in {taken:.1?}: {rate} events/s");
        assert!(life.shutdown(Duration::from_secs(30)).await, "a task did not stop");
    }
}
