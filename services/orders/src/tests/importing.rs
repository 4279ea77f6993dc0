//! Documents of other systems.

use std::time::Instant;

use futures::stream;
use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    testing::{BACKENDS, START},
};
use omnimesh_proto::orders::v1::{
    self as proto, DocumentKind, FulfillmentState, ImportMode, ImportOutcome, OrderState,
};

use super::world::{World, admin, lira, partner, told, world};

pub(super) fn document(id: &str, mode: ImportMode, quantity: i64) -> proto::ImportDocument {
    proto::ImportDocument {
        account_id: "till".to_owned(),
        channel_order_id: id.to_owned(),
        kind: DocumentKind::Sale.into(),
        mode: mode.into(),
        currency_code: "TRY".to_owned(),
        place_time: Some(START.to_proto()),
        lines: vec![proto::OrderLine {
            sku: "mug".to_owned(),
            quantity,
            unit_price: Some(lira("30.00")),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn later(document: &proto::ImportDocument, seconds: i64) -> proto::ImportDocument {
    let at = Timestamp::from_micros(START.micros() + seconds * 1_000_000);
    proto::ImportDocument { update_time: Some(at.to_proto()), ..document.clone() }
}

impl World {
    pub(super) async fn import(
        &self,
        call: &Call,
        documents: Vec<proto::ImportDocument>,
    ) -> Vec<proto::ImportOrdersResponse> {
        let requests = documents.into_iter().map(|document| proto::ImportOrdersRequest { document: Some(document) });
        let requests: Vec<_> = requests.collect();
        let mut answers = self.streams(call).import_orders(stream::iter(requests)).await.unwrap().into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(answer.index, i64::try_from(all.len()).unwrap());
            all.push(answer);
        }
        all
    }
}

fn outcomes(answers: &[proto::ImportOrdersResponse]) -> Vec<ImportOutcome> {
    answers.iter().map(proto::ImportOrdersResponse::outcome).collect()
}

#[tokio::test]
async fn statements_are_kept_once() {
    use ImportOutcome::{Conflict, Created, Refused, Stale, Unchanged, Updated};
    for backend in BACKENDS {
        let world = world(backend).await;
        let first = document("1", ImportMode::Historical, 3);
        let changed = document("1", ImportMode::Historical, 4);
        let bad = proto::ImportDocument { currency_code: "???".to_owned(), ..document("2", ImportMode::Historical, 1) };
        // All in one batch, as if they had come one by one.
        let sent = vec![
            first.clone(),
            first.clone(),
            changed.clone(),
            bad,
            later(&changed, 10),
            first.clone(),
            later(&changed, 20),
            later(&changed, 10),
            document("3", ImportMode::Historical, -1),
        ];
        let expected = [Created, Unchanged, Conflict, Refused, Updated, Stale, Unchanged, Stale, Created];
        let answers = world.import(&admin(), sent.clone()).await;
        assert_eq!(outcomes(&answers), expected);
        assert!(answers[3].refusal.starts_with("currency_code:") && answers[3].order_id.is_empty());
        let order = world.order(&answers[0].order_id).await;
        assert_eq!((order.state(), order.lines[0].quantity), (OrderState::Completed, 4));
        assert!(order.source.as_ref().unwrap().conflicting);
        assert_eq!(order.source.as_ref().unwrap().update_time, later(&first, 20).update_time);
        let events = world.events(&order.order_id).await;
        assert_eq!(events, ["OrderImported COMPLETED"; 3]);
        // And again, one by one: nothing new.
        for (document, outcome) in
            sent.into_iter().zip([Stale, Stale, Stale, Refused, Stale, Stale, Unchanged, Stale, Unchanged])
        {
            assert_eq!(outcomes(&world.import(&admin(), vec![document]).await), [outcome]);
        }
        assert_eq!(world.events(&order.order_id).await.len(), 3);
        assert_eq!(world.shelf(), 40, "a record of the past moves nothing");
    }
}

#[tokio::test]
async fn two_streams_of_the_same_documents_keep_each_once() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let documents: Vec<_> = (0..150).map(|id| document(&id.to_string(), ImportMode::Historical, 1)).collect();
        let admin = admin();
        let reversed: Vec<_> = documents.iter().cloned().rev().collect();
        let (left, right) = futures::join!(world.import(&admin, documents), world.import(&admin, reversed));
        let created = left.iter().chain(&right).filter(|answer| answer.outcome() == ImportOutcome::Created).count();
        assert_eq!((left.len(), right.len(), created), (150, 150, 150));
        for (one, other) in left.iter().zip(right.iter().rev()) {
            assert_eq!(one.order_id, other.order_id);
        }
    }
}

#[tokio::test]
async fn a_partner_sees_and_sends_its_own_only() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let answers = world.import(&partner("shop-7"), vec![document("1", ImportMode::Historical, 1)]).await;
        let order = world.order(&answers[0].order_id).await;
        assert_eq!(order.source.as_ref().unwrap().account_id, "shop-7");
        assert_eq!(order.channel(), omnimesh_proto::common::v1::Channel::Partner);
        let key = Some(proto::get_order_request::Key::OrderId(order.order_id.clone()));
        assert!(world.orders(&partner("shop-7")).get_order(proto::GetOrderRequest { key: key.clone() }).await.is_ok());
        let other = world.orders(&partner("shop-8")).get_order(proto::GetOrderRequest { key }).await;
        assert_eq!(told(other), "NotFound NOT_FOUND");
        let filter = Some(proto::OrderFilter { account_id: "shop-7".to_owned(), ..Default::default() });
        let requests = proto::ExportOrdersRequest { filter };
        let mut stream = world.streams(&partner("shop-8")).export_orders(requests).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_live_order_reserves_what_there_is() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let live = document("1", ImportMode::Live, 23);
        world.fakes.state().failures.insert("reserve", (1, true));
        let answers = world.import(&admin(), vec![live.clone(), live.clone()]).await;
        assert_eq!(outcomes(&answers), [ImportOutcome::Created, ImportOutcome::Unchanged]);
        world.run_tasks().await;
        assert!(world.order(&answers[0].order_id).await.groups.is_empty());
        world.db.clock.advance(std::time::Duration::from_secs(5));
        world.run_tasks().await;
        let order = world.order(&answers[0].order_id).await;
        let states: Vec<_> = order.groups.iter().map(proto::FulfillmentGroup::state).collect();
        assert_eq!(states, [FulfillmentState::Open, FulfillmentState::Open, FulfillmentState::OnHold]);
        assert_eq!((order.shortfall[0].quantity, order.groups[2].reason.as_str()), (3, "OVERSOLD"));
        assert_eq!((order.state(), world.shelf()), (OrderState::Confirmed, 20));
        // Other goods than those bound are for a person; other amounts are taken.
        let mut dearer = later(&live, 5);
        dearer.lines[0].unit_price = Some(lira("31.00"));
        let mut fewer = later(&live, 6);
        fewer.lines[0].quantity = 1;
        let answers = world.import(&admin(), vec![dearer, fewer]).await;
        assert_eq!(outcomes(&answers), [ImportOutcome::Updated, ImportOutcome::Conflict]);
        let order = world.order(&order.order_id).await;
        assert_eq!((order.lines[0].quantity, order.groups.len()), (23, 3));
        assert!(order.source.unwrap().conflicting);
    }
}

#[tokio::test]
#[ignore = "a measurement: run it by name with --release --nocapture"]
async fn how_many_documents_a_second() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let mut one = document("0", ImportMode::Historical, 1);
        one.lines = vec![one.lines[0].clone(); 20];
        let documents: Vec<_> =
            (0..10_000).map(|id| proto::ImportDocument { channel_order_id: id.to_string(), ..one.clone() }).collect();
        let started = Instant::now();
        world.import(&admin(), documents).await;
        let took = started.elapsed();
        println!("{backend:?}: {} documents/s", 10_000_000 / took.as_millis());
    }
}
