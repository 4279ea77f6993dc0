//! From the commit of an event to its effects elsewhere, whatever is lost on the way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, future::join_all};
use omnimesh_kit::{
    args,
    bus::{Bus, stream_key},
    inbox::{self, BoxError, Consumer, EventHandler},
    lifecycle::Lifecycle,
    outbox::{self, EventLog, PARTITIONS, Relay, Step},
    store::{Db, Error, Sql, Tx, lease::Terms},
    tail::Tail,
    testing::{self, BACKENDS, Backend, DirectLog, TestDb, eventually},
};
use omnimesh_proto::{
    common::v1::Actor,
    events::v1::{Event, EventsSinceRequest, event_log_service_server::EventLogService as _},
};
use prost::{Message as _, Name as _};

use crate::fixture::{CONSUMER, PRODUCER, call, effects, happen, happen_in, payload, sql};

const TERMS: Terms =
    Terms { lasts: Duration::from_secs(10), renewal: Duration::from_secs(3), poll: Duration::from_millis(10) };

/// Notes each event; refuses those of `poison` while it is armed.
#[derive(Default)]
struct Noting {
    poison: Option<&'static str>,
    armed: AtomicBool,
    tries: AtomicU32,
    calls: AtomicU32,
}

#[async_trait]
impl EventHandler for Noting {
    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert_eq!(event.r#type, Actor::full_name());
        let actor = Actor::decode(event.payload.clone())?;
        assert_eq!(actor.id, event.aggregate_id);
        tx.execute(sql::INSERT_EFFECT, args![&event.aggregate_id, event.aggregate_seq]).await?;
        if self.poison == Some(event.aggregate_id.as_str()) && self.armed.load(Ordering::SeqCst) {
            self.tries.fetch_add(1, Ordering::SeqCst);
            return Err("poison".into());
        }
        Ok(())
    }
}

/// Notes events but those of quiet aggregates.
struct Choosy(Noting);

#[async_trait]
impl EventHandler for Choosy {
    fn heeds(&self, event: &Event) -> bool {
        inbox::is::<Actor>(event) && !event.aggregate_id.starts_with("quiet")
    }

    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        self.0.handle(tx, event).await
    }
}

/// Notes each event, and counts those whose transaction began with an earlier one: the checkpoint moves to the first at once.
#[derive(Default)]
struct Sharing(AtomicU32);

#[async_trait]
impl EventHandler for Sharing {
    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
        tx.execute(sql::INSERT_EFFECT, args![&event.aggregate_id, event.aggregate_seq]).await?;
        let checkpoint = Sql::portable("SELECT MAX(position) AS position FROM checkpoints WHERE partition = $1");
        let position: i64 = tx.fetch_one(checkpoint, args![event.partition]).await?.get("position")?;
        self.0.fetch_add(u32::from(position < event.position), Ordering::SeqCst);
        Ok(())
    }
}

fn consumer(handler: Arc<dyn EventHandler>) -> Consumer {
    Consumer { group: "catalog", producer: "orders", handler }
}

struct Mesh {
    producer: TestDb,
    consumer: TestDb,
    bus: Bus,
    life: Lifecycle,
}

impl Mesh {
    async fn new(backend: Backend, bus: Bus) -> Self {
        let producer = testing::db(&PRODUCER, backend).await;
        let consumer = testing::db(&CONSUMER, backend).await;
        Self { producer, consumer, bus, life: Lifecycle::new() }
    }

    fn relay(&self) {
        self.life.spawn("relay", outbox::relay(self.producer.db.clone(), self.bus.clone(), self.life.token()));
    }

    fn consume<H: EventHandler + 'static>(&self, handler: &Arc<H>) {
        let log = Arc::new(DirectLog(vec![Arc::new(self.producer.db.clone())]));
        let consumer = consumer(Arc::<H>::clone(handler));
        let run = inbox::run(consumer, self.consumer.db.clone(), self.bus.clone(), log, self.life.token());
        self.life.spawn("consumer", run);
    }

    async fn happens(&self, aggregates: &[&str], times: usize) {
        join_all(aggregates.iter().map(|aggregate| async move {
            for _ in 0..times {
                happen(&self.producer, aggregate).await.unwrap();
            }
        }))
        .await;
    }

    async fn has_effects(&self, count: usize) {
        eventually(&format!("there are {count} effects"), || async { effects(&self.consumer).await.len() >= count })
            .await;
        assert_each_once_in_order(&effects(&self.consumer).await, count);
    }
}

fn assert_each_once_in_order(effects: &[(String, i64)], count: usize) {
    assert_eq!(effects.len(), count);
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for (aggregate, seq) in effects {
        let last = last.entry(aggregate).or_insert(0);
        assert_eq!(*seq, *last + 1, "{aggregate} out of order in {effects:?}");
        *last = *seq;
    }
}

async fn log(db: &Db) -> Vec<Event> {
    let mut conn = db.read().await.unwrap();
    let mut events = Vec::new();
    for partition in 0..PARTITIONS {
        let part = outbox::since(&mut conn, "orders", partition, 0, 10_000).await.unwrap();
        let positions: Vec<i64> = part.iter().map(|event| event.position).collect();
        let dense: Vec<i64> = (1..).take(part.len()).collect();
        assert_eq!(positions, dense, "partition {partition} is not dense");
        events.extend(part);
    }
    events
}

/// Memory and Redis, each below SQLite and Postgres. On Redis every mesh would share the streams: those that run at the same time
/// take one each.
fn bus(redis: bool) -> Bus {
    if redis { testing::redis_bus() } else { Bus::memory(1_000) }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_that_race_keep_the_order() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let bus = Bus::memory(10_000);
        let done = AtomicBool::new(false);
        let write = async {
            join_all(["a", "b", "c", "d"].map(|aggregate| async {
                for _ in 0..25 {
                    happen(&db, aggregate).await.unwrap();
                }
            }))
            .await;
            done.store(true, Ordering::SeqCst);
        };
        // Leases that have run out as soon as they were taken: both believe all the time that they are the one.
        let terms = Terms { lasts: Duration::ZERO, ..TERMS };
        let relay = || async {
            let mut relay = Relay::new(db.db.clone(), bus.clone(), terms);
            let mut lost = 0;
            loop {
                db.clock.advance(Duration::from_micros(1));
                match relay.step().await {
                    Ok(Step::Idle) if done.load(Ordering::SeqCst) => return lost,
                    Ok(Step::Waiting) => lost += 1,
                    Ok(_) => {}
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
                tokio::task::yield_now().await;
            }
        };
        let ((), lost, lost_too) = tokio::join!(write, relay(), relay());
        assert!(lost + lost_too > 0, "they never met: nothing was tested");
        let mut relay = Relay::new(db.db.clone(), bus.clone(), TERMS);
        db.clock.advance(Duration::from_secs(60));
        while relay.step().await.unwrap() == Step::Worked {}
        let events = log(&db).await;
        let effects: Vec<_> = events.into_iter().map(|event| (event.aggregate_id, event.aggregate_seq)).collect();
        assert_each_once_in_order(&effects, 100);
    }
}

#[tokio::test]
async fn a_late_commit_is_not_skipped() {
    let db = testing::db(&PRODUCER, Backend::Postgres).await;
    let mut relay = Relay::new(db.db.clone(), Bus::memory(100), TERMS);
    // It inserted first, and commits after a later one was given its place.
    let mut late = db.begin().await.unwrap();
    happen_in(&mut late, "late").await.unwrap();
    happen(&db, "early").await.unwrap();
    assert_eq!(relay.step().await.unwrap(), Step::Worked);
    assert_eq!(log(&db).await.len(), 1);
    late.commit().await.unwrap();
    assert_eq!(relay.step().await.unwrap(), Step::Worked);
    assert_eq!(log(&db).await.len(), 2);
    assert_eq!(relay.step().await.unwrap(), Step::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_has_its_effect_once_in_order() {
    for (backend, redis) in [(Backend::Sqlite, false), (Backend::Postgres, true)] {
        let _alone = REDIS.lock().await;
        let mesh = Mesh::new(backend, fresh(redis).await).await;
        mesh.relay();
        let handler = Arc::new(Noting::default());
        mesh.consume(&handler);
        mesh.consume(&handler);
        mesh.happens(&["a", "b", "c", "d", "e"], 20).await;
        mesh.has_effects(100).await;
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_bus_loses_nothing() {
    for (backend, redis) in [(Backend::Sqlite, false), (Backend::Postgres, true)] {
        let _alone = REDIS.lock().await;
        let mesh = Mesh::new(backend, fresh(redis).await).await;
        mesh.relay();
        let handler = Arc::new(Noting::default());
        mesh.happens(&["a", "b", "c"], 10).await;
        eventually("the relay has sent", || async { log(&mesh.producer).await.len() == 30 }).await;
        // Nobody had read any of it.
        empty(&mesh.bus).await;
        mesh.consume(&handler);
        mesh.has_effects(30).await;
        empty(&mesh.bus).await;
        mesh.happens(&["a", "b", "c"], 10).await;
        mesh.has_effects(60).await;
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bus_consumers_read_the_log() {
    // A port on which nobody listens.
    let mesh = Mesh::new(Backend::Postgres, Bus::redis("redis://127.0.0.1:9", 100).unwrap()).await;
    mesh.relay();
    mesh.consume(&Arc::new(Noting::default()));
    mesh.happens(&["a", "b"], 5).await;
    mesh.has_effects(10).await;
    assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_parks_its_aggregate_alone_until_it_is_replayed() {
    for backend in BACKENDS {
        let mesh = Mesh::new(backend, Bus::memory(100)).await;
        mesh.relay();
        let handler = Arc::new(Noting { poison: Some("bad"), armed: AtomicBool::new(true), ..Noting::default() });
        // One of the same partition, one of another.
        let near =
            (0..).map(|n| format!("near-{n}")).find(|id| outbox::partition_of(id) == outbox::partition_of("bad"));
        let near = near.unwrap();
        mesh.happens(&["bad"], 3).await;
        mesh.happens(&[&near, "far"], 3).await;
        mesh.consume(&handler);
        mesh.has_effects(6).await;
        assert_eq!(handler.tries.load(Ordering::SeqCst), inbox::TRIES);
        let parked = inbox::parked(&mut mesh.consumer.read().await.unwrap()).await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!((parked[0].aggregate_id.as_str(), parked[0].problem.as_str()), ("bad", "poison"));

        let consumer = consumer(handler.clone());
        assert!(inbox::replay(&mesh.consumer, &consumer, "bad").await.is_err());
        assert_eq!(effects(&mesh.consumer).await.len(), 6);
        handler.armed.store(false, Ordering::SeqCst);
        assert_eq!(inbox::replay(&mesh.consumer, &consumer, "bad").await.unwrap(), 3);
        mesh.happens(&["bad"], 1).await;
        mesh.has_effects(10).await;
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

#[tokio::test]
async fn a_poison_event_in_a_batch_has_no_part_in_the_effects_of_the_others() {
    for backend in BACKENDS {
        let mesh = Mesh::new(backend, Bus::memory(1_000)).await;
        // All of one partition; a second poison event comes behind the first, in the same batch.
        let near: Vec<String> = (0..)
            .map(|n| format!("near-{n}"))
            .filter(|id| outbox::partition_of(id) == outbox::partition_of("bad"))
            .take(20)
            .collect();
        let mut tx = mesh.producer.begin().await.unwrap();
        for (n, id) in near.iter().enumerate() {
            happen_in(&mut tx, id).await.unwrap();
            if n == 7 || n == 12 {
                happen_in(&mut tx, "bad").await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        let mut relay = Relay::new(mesh.producer.db.clone(), mesh.bus.clone(), TERMS);
        while relay.step().await.unwrap() == Step::Worked {}

        let handler = Arc::new(Noting { poison: Some("bad"), armed: AtomicBool::new(true), ..Noting::default() });
        mesh.consume(&handler);
        mesh.has_effects(20).await;
        let noted: Vec<String> = effects(&mesh.consumer).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(noted, near, "{backend:?}: each once, in the order of the log");
        assert_eq!(handler.tries.load(Ordering::SeqCst), inbox::TRIES, "{backend:?}: the first alone was tried");
        // The batch went at most eight good events far, then each event went alone.
        let calls = handler.calls.load(Ordering::SeqCst);
        assert!(
            calls <= 8 + 20 + inbox::TRIES,
            "{backend:?}: {calls} calls: the others were tried again with the poison"
        );
        handler.armed.store(false, Ordering::SeqCst);
        assert_eq!(inbox::replay(&mesh.consumer, &consumer(handler.clone()), "bad").await.unwrap(), 2);
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

/// How far the checkpoints of all partitions are, together.
async fn checkpoints(db: &Db) -> i64 {
    let sum = Sql::portable("SELECT CAST(SUM(position) AS BIGINT) AS position FROM checkpoints");
    db.read().await.unwrap().fetch_one(sum, args![]).await.unwrap().get("position").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_heeds_are_passed_over_and_the_checkpoint_follows() {
    for backend in BACKENDS {
        let mesh = Mesh::new(backend, Bus::memory(1_000)).await;
        mesh.relay();
        let near = |id: &&String| outbox::partition_of(id) == outbox::partition_of("loud");
        let quiet = (0..).map(|n| format!("quiet-{n}")).find(|id| near(&id)).unwrap();
        let handler = Arc::new(Choosy(Noting::default()));
        mesh.consume(&handler);
        // Before, between and behind those of the same partition that are heeded, and alone in another.
        for id in [quiet.as_str(), "loud", quiet.as_str(), "loud", quiet.as_str(), "quiet"] {
            mesh.happens(&[id], 1).await;
        }
        mesh.has_effects(2).await;
        eventually("the checkpoint follows", || async { checkpoints(&mesh.consumer).await == 6 }).await;
        // What is passed over last is noted when the process leaves.
        mesh.happens(&["quiet"], 1).await;
        eventually("the relay has sent", || async { log(&mesh.producer).await.len() == 7 }).await;
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
        assert_eq!(handler.0.calls.load(Ordering::SeqCst), 2, "{backend:?}");
        assert_eq!(checkpoints(&mesh.consumer).await, 7, "{backend:?}");
    }
}

#[tokio::test]
async fn events_that_come_in_fast_share_transactions() {
    for backend in BACKENDS {
        let mesh = Mesh::new(backend, Bus::memory(1_000)).await;
        let mut tx = mesh.producer.begin().await.unwrap();
        for _ in 0..150 {
            happen_in(&mut tx, "a").await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut relay = Relay::new(mesh.producer.db.clone(), mesh.bus.clone(), TERMS);
        while relay.step().await.unwrap() == Step::Worked {}
        let handler = Arc::new(Sharing::default());
        mesh.consume(&handler);
        mesh.has_effects(150).await;
        let shared = handler.0.load(Ordering::SeqCst);
        assert!(shared > 75, "{backend:?}: only {shared} of 150 events shared the transaction of an earlier one");
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_takes_the_effect_back() {
    for backend in BACKENDS {
        let mesh = Mesh::new(backend, Bus::memory(100)).await;
        mesh.relay();
        let handler = Arc::new(Noting::default());
        mesh.consume(&handler);
        mesh.happens(&["a"], 1).await;
        mesh.has_effects(1).await;
        // Another process takes every partition; the first does not know it yet.
        let mut tx = mesh.consumer.begin().await.unwrap();
        let seize = "UPDATE checkpoints SET token = token + 1, holder = NULL, expires_at = $1";
        tx.execute(Sql::portable(seize), args![mesh.consumer.clock.now().plus(Duration::from_secs(60))]).await.unwrap();
        tx.commit().await.unwrap();
        mesh.happens(&["a"], 1).await;
        eventually("the event is in the log", || async { log(&mesh.producer).await.len() == 2 }).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(effects(&mesh.consumer).await.len(), 1, "{backend:?}: an effect without the lease");
        // That process dies: its leases run out, and the first goes on where it stopped.
        mesh.consumer.clock.advance(Duration::from_secs(61));
        mesh.has_effects(2).await;
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_resume_without_a_gap() {
    for backend in BACKENDS {
        let mesh = Mesh::new(backend, Bus::memory(3)).await;
        mesh.relay();
        let tail = Tail::new(mesh.producer.db.clone());
        mesh.life.spawn("tail", tail.clone().run(mesh.bus.clone(), mesh.life.token()));
        mesh.happens(&["a", "b"], 10).await;
        eventually("all have their places", || async { log(&mesh.producer).await.len() == 20 }).await;
        let heads = tail.positions().await.unwrap();
        assert_eq!(heads.values().sum::<i64>(), 20);

        let resumed = tail.resume(BTreeMap::new());
        let live = tail.subscribe();
        let middle = tail.resume(heads.iter().map(|(partition, head)| (*partition, head / 2)).collect());
        let write = mesh.happens(&["a", "b"], 10);
        let collect = |stream, count| async move {
            let stream = std::pin::pin!(futures::StreamExt::take(stream, count));
            let events: Vec<Arc<Event>> = stream.collect().await;
            events.iter().map(|event| (event.aggregate_id.clone(), event.aggregate_seq)).collect::<Vec<_>>()
        };
        let all = async {
            let (resumed, (), middle) = tokio::join!(collect(resumed.boxed(), 40), write, collect(middle.boxed(), 30));
            // Not looked at until now, and nothing was missed.
            assert_eq!(collect(live.boxed(), 20).await.len(), 20);
            assert_each_once_in_order(&resumed, 40);
            assert_eq!(middle.len(), 30);
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("watchers get everything");
        assert!(mesh.life.shutdown(Duration::from_secs(5)).await, "a task did not stop");
    }
}

#[tokio::test]
async fn events_are_kept_thirty_days_and_heads_for_ever() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        happen(&db, "a").await.unwrap();
        let mut relay = Relay::new(db.db.clone(), Bus::memory(10), TERMS);
        relay.step().await.unwrap();
        db.clock.advance(outbox::KEPT);
        assert_eq!(outbox::prune(&db).await.unwrap(), 0);
        // This one is as old, but was never given its place.
        happen(&db, "a").await.unwrap();
        db.clock.advance(outbox::KEPT + Duration::from_secs(1));
        assert_eq!(outbox::prune(&db).await.unwrap(), 1);
        let mut relay = Relay::new(db.db.clone(), Bus::memory(10), TERMS);
        assert_eq!(relay.step().await.unwrap(), Step::Worked);
        let partition = outbox::partition_of("a");
        let rest = outbox::since(&mut db.read().await.unwrap(), "orders", partition, 0, 10).await.unwrap();
        assert_eq!(rest.iter().map(|event| event.position).collect::<Vec<_>>(), [2]);
    }
}

#[tokio::test]
async fn the_log_is_served_in_pages() {
    let db = testing::db(&PRODUCER, Backend::Sqlite).await;
    for _ in 0..5 {
        happen(&db, "a").await.unwrap();
    }
    let mut relay = Relay::new(db.db.clone(), Bus::memory(10), TERMS);
    while relay.step().await.unwrap() == Step::Worked {}
    let server = EventLog::new(db.db.clone());
    let partition = outbox::partition_of("a");
    let ask = async |partition, position, limit| {
        let request = EventsSinceRequest { partition, position, limit };
        server.events_since(tonic::Request::new(request)).await.map(|response| response.into_inner().events)
    };
    let page = ask(partition, 2, 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.position).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(ask(partition, 5, 0).await.unwrap(), []);
    for (partition, position, limit) in [(PARTITIONS, 0, 0), (0, -1, 0), (0, 0, 1_001), (0, 0, -1)] {
        assert_eq!(ask(partition, position, limit).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test]
async fn an_aggregates_number_is_given_once() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let mut tx = db.begin().await.unwrap();
        outbox::append(&mut tx, &call(), "a", 1, &payload("a")).await.unwrap();
        outbox::append(&mut tx, &call(), "a", 1, &payload("a")).await.unwrap();
        let error: Error = tx.commit().await.unwrap_err();
        assert!(error.is_unique_violation(), "{backend:?}: {error}");
    }
}

#[tokio::test]
async fn a_position_is_sent_once() {
    for redis in [false, true] {
        let bus = bus(redis);
        let key = format!("omnimesh-test:{{{}}}", uuid::Uuid::new_v4());
        let entry = |position: i64, body: &'static str| (position, bytes::Bytes::from_static(body.as_bytes()));
        bus.publish(&key, &[entry(1, "one"), entry(2, "two")]).await.unwrap();
        bus.publish(&key, &[entry(2, "again"), entry(3, "three")]).await.unwrap();
        assert_eq!(bus.last(&[key.clone(), "omnimesh-test:none".to_owned()]).await.unwrap(), [3, 0]);
        let mut reader = bus.reader();
        let read = reader.read(&[(key.clone(), 1)], Duration::from_secs(1)).await.unwrap();
        let read: Vec<_> = read.iter().map(|entry| (entry.position, entry.body.as_ref())).collect();
        assert_eq!(read, [(2, b"two".as_slice()), (3, b"three")]);
        assert_eq!(reader.read(&[(key.clone(), 3)], Duration::from_millis(20)).await.unwrap(), []);
    }
}

// Tests that use a service's streams in Redis take turns.
static REDIS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn fresh(redis: bool) -> Bus {
    let bus = bus(redis);
    empty(&bus).await;
    bus
}

async fn empty(bus: &Bus) {
    if let Bus::Memory(_) = bus {
        return bus.clear();
    }
    let client = redis::Client::open(std::env::var(testing::REDIS_URL).unwrap()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for partition in 0..PARTITIONS {
        let _: i64 = redis::cmd("DEL").arg(stream_key("orders", partition)).query_async(&mut connection).await.unwrap();
    }
}
