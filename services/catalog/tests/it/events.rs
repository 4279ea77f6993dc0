//! What orders' events do to stock.

use omnimesh_catalog::demo::{ANKARA, ISTANBUL};
use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    catalog::v1::ReleaseRequest,
    events::v1::Event,
    orders::v1::{
        FulfillmentChanged, FulfillmentState as Group, OrderCancelled, OrderExpired, OrderedGoods, ReturnChanged,
    },
};
use prost::{Message, Name};

use crate::mesh::{Mesh, line, orders, stocked};

async fn hear<P: Message + Name>(mesh: &Mesh, payload: &P) {
    hear_as(mesh, payload, 0).await;
}

async fn hear_as<P: Message + Name>(mesh: &Mesh, payload: &P, aggregate_seq: i64) {
    let payload = payload.encode_to_vec().into();
    let event = Event { r#type: P::full_name(), payload, aggregate_seq, ..Event::default() };
    let mut tx = mesh.db.begin().await.unwrap();
    mesh.orders.handle(&mut tx, &event).await.unwrap();
    tx.commit().await.unwrap();
}

fn goods(line_id: &str, sku: &str, location: &str, quantity: i64) -> OrderedGoods {
    OrderedGoods { line_id: line_id.to_owned(), sku: sku.to_owned(), location_id: location.to_owned(), quantity }
}

fn changed(state: Group, held: Vec<OrderedGoods>, released: Vec<OrderedGoods>) -> FulfillmentChanged {
    FulfillmentChanged {
        order_id: "order_1".to_owned(),
        group_id: "group_1".to_owned(),
        location_id: ANKARA.to_owned(),
        state: state.into(),
        goods: held,
        released,
        ..FulfillmentChanged::default()
    }
}

/// Five of tea in Ankara and two of coffee in Istanbul, confirmed.
async fn ordered(backend: omnimesh_kit::testing::Backend) -> Mesh {
    let mesh = stocked(backend).await;
    let lines = [line("1", "TEA-RIZE-500", 5, ANKARA), line("2", "COFFEE-250", 2, ISTANBUL)];
    mesh.reserve("order_1", &lines).await.unwrap();
    mesh.confirm("order_1").await.unwrap();
    mesh
}

fn tea(quantity: i64) -> Vec<OrderedGoods> {
    vec![goods("1", "TEA-RIZE-500", ANKARA, quantity)]
}

#[tokio::test]
async fn goods_that_are_handed_over_leave_the_shelf_once() {
    for backend in BACKENDS {
        for state in [Group::Shipped, Group::PickedUp] {
            let mesh = ordered(backend).await;
            for quiet in [Group::Accepted, Group::Packed, Group::ReadyForPickup, Group::RejectedByStore] {
                hear(&mesh, &changed(quiet, tea(5), vec![])).await;
                assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (15, 0, 5, 10));
            }
            for _ in 0..2 {
                hear(&mesh, &changed(state, tea(5), vec![])).await;
                assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (10, 0, 0, 10));
            }
            // The other group is not touched.
            assert_eq!(mesh.parts("COFFEE-250", ISTANBUL).await, (25, 0, 2, 23));
        }
    }
}

#[tokio::test]
async fn groups_that_end_otherwise_give_their_goods_back_once() {
    for backend in BACKENDS {
        for state in [Group::Cancelled, Group::NoShow, Group::Refused] {
            let mesh = ordered(backend).await;
            for state in [state, Group::Restocked] {
                hear(&mesh, &changed(state, tea(5), vec![])).await;
                assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (15, 0, 0, 15));
            }
            assert_eq!(mesh.parts("COFFEE-250", ISTANBUL).await, (25, 0, 2, 23));
            // A group that holds nothing takes nothing: least of all everything.
            hear(&mesh, &changed(Group::Cancelled, vec![], vec![])).await;
            assert_eq!(mesh.parts("COFFEE-250", ISTANBUL).await, (25, 0, 2, 23));
        }
    }
}

#[tokio::test]
async fn what_is_found_short_is_released_down_to_what_is_held() {
    for backend in BACKENDS {
        let mesh = ordered(backend).await;
        for _ in 0..2 {
            hear(&mesh, &changed(Group::Packed, tea(3), tea(2))).await;
            assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (15, 0, 3, 12));
        }
        hear(&mesh, &changed(Group::PickedUp, tea(3), vec![])).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (12, 0, 0, 12));
    }
}

#[tokio::test]
async fn cancelling_by_event_and_by_call_is_one_cancellation() {
    for backend in BACKENDS {
        let mesh = ordered(backend).await;
        hear(&mesh, &changed(Group::Shipped, tea(5), vec![])).await;
        let release = ReleaseRequest { owner_id: "order_1".to_owned(), ..ReleaseRequest::default() };
        hear(&mesh, &OrderCancelled { order_id: "order_1".to_owned(), ..OrderCancelled::default() }).await;
        mesh.stock(&orders()).release(release.clone()).await.unwrap();
        hear(&mesh, &OrderExpired { order_id: "order_1".to_owned(), ..OrderExpired::default() }).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (10, 0, 0, 10));
        assert_eq!(mesh.parts("COFFEE-250", ISTANBUL).await, (25, 0, 0, 25));
        // Orders without a reservation, such as historical ones, move nothing.
        hear(
            &mesh,
            &FulfillmentChanged { order_id: "order_old".to_owned(), ..changed(Group::Shipped, tea(5), vec![]) },
        )
        .await;
        hear(&mesh, &OrderCancelled { order_id: "order_old".to_owned(), ..OrderCancelled::default() }).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (10, 0, 0, 10));
    }
}

#[tokio::test]
async fn goods_that_come_back_are_sold_again_where_they_came_back_to() {
    for backend in BACKENDS {
        let mesh = ordered(backend).await;
        hear(&mesh, &changed(Group::PickedUp, tea(5), vec![])).await;
        let back = |restocked: Vec<OrderedGoods>| ReturnChanged {
            order_id: "order_1".to_owned(),
            return_id: "return_1".to_owned(),
            location_id: ISTANBUL.to_owned(),
            restocked,
            ..ReturnChanged::default()
        };
        let before = mesh.parts("TEA-RIZE-500", ISTANBUL).await;
        let two = || vec![goods("1", "TEA-RIZE-500", "", 2), goods("1", "TEA-RIZE-500", ISTANBUL, 1)];
        for _ in 0..2 {
            // The same event again has no second effect.
            hear_as(&mesh, &back(two()), 7).await;
            let after = (before.0 + 3, before.1, before.2, before.3 + 3);
            assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await, after);
        }
        hear_as(&mesh, &back(vec![]), 8).await;
        hear_as(&mesh, &back(two()), 9).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await.0, before.0 + 6);
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (10, 0, 0, 10), "not where they were sold");
        // A location that never had the goods gets its row; goods and locations that nobody knows have none.
        let place = omnimesh_proto::catalog::v1::Location {
            location_id: "popup".to_owned(),
            ..omnimesh_catalog::demo::locations().remove(0)
        };
        mesh.upsert(place).await;
        hear_as(&mesh, &back(vec![goods("1", "TEA-RIZE-500", "popup", 2)]), 10).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", "popup").await, (2, 0, 0, 2));
        hear_as(&mesh, &back(vec![goods("1", "NOBODYS", ISTANBUL, 1), goods("1", "TEA-RIZE-500", "moon", 1)]), 11)
            .await;
    }
}

#[tokio::test]
async fn goods_that_replace_others_leave_by_their_own_reservation() {
    for backend in BACKENDS {
        let mesh = ordered(backend).await;
        let before = mesh.parts("TEA-RIZE-500", ANKARA).await;
        let own = "order_1:group_2";
        mesh.reserve(own, &[line("1", "TEA-RIZE-500", 2, ANKARA)]).await.unwrap();
        mesh.confirm(own).await.unwrap();
        let second = |state| FulfillmentChanged { group_id: "group_2".to_owned(), ..changed(state, tea(2), vec![]) };
        hear(&mesh, &second(Group::PickedUp)).await;
        // What is bound to the order itself stays bound.
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (before.0 - 2, 0, 5, before.3 - 2));
        hear(&mesh, &second(Group::PickedUp)).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await.2, 5);
        hear(&mesh, &changed(Group::PickedUp, tea(5), vec![])).await;
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (before.0 - 7, 0, 0, before.0 - 7));
    }
}
