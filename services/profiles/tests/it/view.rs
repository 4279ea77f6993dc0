//! The whole customer at a glance, from what the other services tell in their events.

use omnimesh_kit::{auth::SessionLevel, ids::ProfileId, testing::START};
use omnimesh_proto::{
    carts::v1::{CartChanged, CartMerged, CartParted, CartState, CartSummary},
    common::v1::{Channel, Contact, Money, contact::Value},
    orders::v1::{OrderCompleted, OrderPlaced, OrderState, OrderSummary, PaymentRecorded, ReturnChanged},
    profiles::v1::{
        Consent, ConsentChannel, ConsentDecision, ConsentPurpose, GetCustomerViewRequest, GetCustomerViewResponse,
        IdentifierType, RecordConsentRequest,
    },
    sessions::v1::SessionIdentified,
};

use crate::{
    timeline::{event, hear},
    world::{World, customer, reason, service, worlds},
};

const SESSION: &str = "session_a";

fn cart(id: &str, version: i64, of: Option<ProfileId>, state: CartState, currency: &str) -> CartSummary {
    CartSummary {
        cart_id: id.to_owned(),
        version,
        profile_id: of.map(|profile| profile.to_string()).unwrap_or_default(),
        session_id: SESSION.to_owned(),
        state: state.into(),
        total: Some(Money { currency_code: currency.to_owned(), units: version, nanos: 0 }),
        ..CartSummary::default()
    }
}

fn changed(at: i64, cart: CartSummary) -> omnimesh_proto::events::v1::Event {
    event("carts", at, SESSION, &CartChanged { cart_id: cart.cart_id.clone(), cart: Some(cart) })
}

fn order(id: &str, version: i64, of: Option<ProfileId>, state: OrderState) -> OrderSummary {
    OrderSummary {
        order_id: id.to_owned(),
        number: format!("N-{id}"),
        version,
        profile_id: of.map(|profile| profile.to_string()).unwrap_or_default(),
        session_id: SESSION.to_owned(),
        state: state.into(),
        place_time: Some(START.to_proto()),
        ..OrderSummary::default()
    }
}

fn placed(at: i64, order: OrderSummary) -> omnimesh_proto::events::v1::Event {
    let (order_id, profile_id) = (order.order_id.clone(), order.profile_id.clone());
    let channel = Channel::Web.into();
    event(
        "orders",
        at,
        SESSION,
        &OrderPlaced { order_id, profile_id, channel, order: Some(order), ..Default::default() },
    )
}

fn identified(at: i64, profile: ProfileId) -> omnimesh_proto::events::v1::Event {
    let (session_id, profile_id) = (SESSION.to_owned(), profile.to_string());
    event("sessions", at, SESSION, &SessionIdentified { session_id, profile_id, channel: Channel::App.into() })
}

impl World {
    async fn known(&self, email: &str) -> ProfileId {
        let profile = self.resolve(&[(IdentifierType::Email, email)], true).await.unwrap().profile.unwrap();
        profile.profile_id.parse().unwrap()
    }

    async fn view(&self, of: ProfileId) -> GetCustomerViewResponse {
        let request = GetCustomerViewRequest { profile_id: of.to_string() };
        self.views(&service(&["profiles.read"])).get_customer_view(request).await.unwrap().into_inner()
    }

    /// The carts with their versions, and the open orders with theirs.
    async fn seen(&self, of: ProfileId) -> (Vec<(String, i64)>, Vec<(String, i64)>) {
        let view = self.view(of).await;
        let carts = view.carts.into_iter().map(|cart| (cart.cart_id, cart.version)).collect();
        (carts, view.open_orders.into_iter().map(|order| (order.order_id, order.version)).collect())
    }
}

fn ids(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(id, version)| ((*id).to_owned(), *version)).collect()
}

#[tokio::test]
async fn newer_replaces_older_in_whatever_order() {
    use CartState::{Active, Frozen, Merged, Ordered};
    for world in worlds().await {
        let ada = world.known("ada@shop.example").await;
        hear(&world, &changed(3, cart("cart_1", 3, Some(ada), Active, "TRY"))).await;
        hear(&world, &changed(1, cart("cart_1", 1, Some(ada), Ordered, "TRY"))).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_1", 3)]));
        hear(&world, &changed(4, cart("cart_1", 4, Some(ada), Frozen, "TRY"))).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_1", 4)]));
        // One per currency: the one that is open for changes.
        hear(&world, &changed(5, cart("cart_2", 1, Some(ada), Active, "TRY"))).await;
        hear(&world, &changed(6, cart("cart_3", 1, Some(ada), Active, "EUR"))).await;
        hear(&world, &changed(7, cart("cart_1", 5, Some(ada), Frozen, "TRY"))).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_3", 1), ("cart_2", 1)]));
        // Ordered or merged, it is gone; also when something older is heard later.
        hear(&world, &changed(8, cart("cart_1", 6, Some(ada), Ordered, "TRY"))).await;
        hear(&world, &changed(9, cart("cart_2", 3, Some(ada), Merged, "TRY"))).await;
        hear(&world, &changed(9, cart("cart_2", 2, Some(ada), Active, "TRY"))).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_3", 1)]));
        // Parted again, it is back.
        let parted = CartParted {
            cart_id: "cart_2".to_owned(),
            cart: Some(cart("cart_2", 4, Some(ada), Active, "TRY")),
            ..Default::default()
        };
        hear(&world, &event("carts", 10, SESSION, &parted)).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_2", 4), ("cart_3", 1)]));
    }
}

#[tokio::test]
async fn a_merged_guest_cart_is_gone_and_its_target_there() {
    for world in worlds().await {
        let ada = world.known("ada@shop.example").await;
        hear(&world, &changed(1, cart("cart_guest", 2, None, CartState::Active, "TRY"))).await;
        assert_eq!(world.seen(ada).await.0, []);
        hear(&world, &identified(2, ada)).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_guest", 2)]), "the guest was Ada");
        let merged = CartMerged {
            source_cart_id: "cart_guest".to_owned(),
            target_cart_id: "cart_1".to_owned(),
            profile_id: ada.to_string(),
            cart: Some(cart("cart_1", 8, Some(ada), CartState::Active, "TRY")),
        };
        hear(&world, &event("carts", 3, SESSION, &merged)).await;
        assert_eq!(world.seen(ada).await.0, ids(&[("cart_1", 8)]));
    }
}

#[tokio::test]
async fn orders_are_shown_until_they_are_over() {
    use OrderState::{Cancelled, Completed, Confirmed, Draft, Placed};
    for world in worlds().await {
        let ada = world.known("ada@shop.example").await;
        hear(&world, &placed(1, order("order_1", 1, Some(ada), Placed))).await;
        hear(&world, &placed(1, order("order_2", 1, Some(ada), Draft))).await;
        assert_eq!(world.seen(ada).await.1, ids(&[("order_1", 1)]));
        let paid = PaymentRecorded { order: Some(order("order_1", 2, Some(ada), Confirmed)), ..Default::default() };
        hear(&world, &event("orders", 2, "", &paid)).await;
        assert_eq!(world.seen(ada).await.1, ids(&[("order_1", 2)]));
        let done = OrderCompleted { order: Some(order("order_1", 3, Some(ada), Completed)), ..Default::default() };
        hear(&world, &event("orders", 3, "", &done)).await;
        hear(&world, &event("orders", 3, "", &paid)).await;
        assert_eq!(world.seen(ada).await.1, []);
        // Something comes back: it is not over after all.
        let open = OrderSummary { open_return_count: 1, ..order("order_1", 4, Some(ada), Completed) };
        hear(&world, &event("orders", 4, "", &ReturnChanged { order: Some(open), ..Default::default() })).await;
        assert_eq!(world.seen(ada).await.1, ids(&[("order_1", 4)]));
        hear(&world, &placed(5, order("order_1", 5, Some(ada), Cancelled))).await;
        assert_eq!(world.seen(ada).await.1, []);
    }
}

#[tokio::test]
async fn a_guests_order_is_whose_the_session_was() {
    for world in worlds().await {
        let (ada, bob) = (world.known("ada@shop.example").await, world.known("bob@shop.example").await);
        hear(&world, &identified(-9, ada)).await;
        // Heard before it is known who came after.
        hear(&world, &placed(1, order("order_1", 1, None, OrderState::Placed))).await;
        hear(&world, &identified(5, bob)).await;
        assert_eq!(world.seen(ada).await.1, ids(&[("order_1", 1)]));
        assert_eq!(world.seen(bob).await.1, []);
    }
}

#[tokio::test]
async fn one_call_shows_everything() {
    for world in worlds().await {
        let (ada, bob) = (world.known("ada@shop.example").await, world.known("bob@shop.example").await);
        hear(&world, &identified(1, bob)).await;
        hear(&world, &changed(2, cart("cart_1", 1, Some(ada), CartState::Active, "TRY"))).await;
        hear(&world, &placed(3, order("order_1", 1, Some(bob), OrderState::Placed))).await;
        let said = |decision: ConsentDecision| Consent {
            address: Some(Contact { value: Some(Value::Email("ada@shop.example".to_owned())) }),
            purpose: ConsentPurpose::Marketing.into(),
            channel: ConsentChannel::Email.into(),
            decision: decision.into(),
            text_version: "1".to_owned(),
            evidence: "form 1".to_owned(),
            ..Consent::default()
        };
        for decision in [ConsentDecision::Grant, ConsentDecision::Revoke] {
            world.db.clock.advance(std::time::Duration::from_secs(1));
            let request = RecordConsentRequest { consent: Some(said(decision)), request_id: String::new() };
            world.consents(&service(&["consents.write"])).record_consent(request).await.unwrap();
        }
        world.cluster(1, &[(ada, ada), (bob, ada)]).await;
        // By either id: the view of the one customer.
        for id in [ada, bob] {
            let view = world.view(id).await;
            let profile = view.profile.unwrap();
            assert_eq!(profile.profile_id, ada.to_string());
            assert_eq!(profile.alias_profile_ids, [bob.to_string()]);
            assert_eq!(profile.identifiers.len(), 2);
            let latest: Vec<_> = view.consents.iter().map(Consent::decision).collect();
            assert_eq!(latest, [ConsentDecision::Revoke]);
            assert_eq!((view.carts.len(), view.open_orders.len(), view.interactions.len()), (1, 1, 2));
        }
        world.cluster(2, &[(ada, ada), (bob, bob)]).await;
        let view = world.view(bob).await;
        assert_eq!(
            (view.consents.len(), view.carts.len(), view.open_orders.len(), view.interactions.len()),
            (0, 0, 1, 2)
        );
        let request = GetCustomerViewRequest { profile_id: ada.to_string() };
        let own = customer(Some(ada), SessionLevel::Identified);
        assert_eq!(reason(world.views(&own).get_customer_view(request.clone()).await), "AUDIENCE_DENIED");
        assert_eq!(reason(world.views(&service(&[])).get_customer_view(request).await), "SCOPE_MISSING");
        let unknown = GetCustomerViewRequest { profile_id: ProfileId(uuid::Uuid::from_u128(9)).to_string() };
        assert_eq!(reason(world.views(&service(&["profiles.read"])).get_customer_view(unknown).await), "NOT_FOUND");
    }
}
