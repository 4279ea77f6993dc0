//! One customer with several profiles, sessions that were handed over, and customers who are forgotten.

use futures::stream;
use omnimesh_kit::{
    args,
    auth::{LinkedScope, SessionLevel},
    call::Call,
    customers::{self, Held},
    ids::ProfileId,
    inbox::EventHandler as _,
    store::Sql,
    testing::{BACKENDS, START},
};
use omnimesh_proto::{
    carts::v1::{self as carts, DeliveryKind},
    common::v1::{self as common, ActorKind},
    events::v1::{ErasureApplied, Event},
    orders::v1::{self as proto, ImportOutcome, OrderFilter, PaymentMethod},
    profiles::v1::{ClusterMember, ProfileErased, ProfileSplit, ProfilesMerged},
};
use prost::{Message, Name};

use super::world::{World, admin, clerk, customer, group, lira, partner, told, world};

fn identified(profile: ProfileId) -> Call {
    let mut call = customer();
    let session = call.caller.identity.session.as_mut().unwrap();
    (session.profile, session.level) = (Some(profile), SessionLevel::Identified);
    call
}

/// A session that a cart was handed over to.
fn linked(cart: &str, edit: bool) -> Call {
    let mut call = customer();
    let session = call.caller.identity.session.as_mut().unwrap();
    session.level = SessionLevel::Linked;
    session.linked = Some(LinkedScope { cart: Some(cart.to_owned()), owner: None, edit, source: None });
    call
}

fn member(profile: ProfileId, root: ProfileId, generation: i64) -> ClusterMember {
    ClusterMember { profile_id: profile.to_string(), root_profile_id: root.to_string(), generation }
}

impl World {
    async fn hear<P: Message + Name>(&self, payload: &P) {
        let event = Event { r#type: P::full_name(), payload: payload.encode_to_vec().into(), ..Event::default() };
        let mut tx = self.db.begin().await.unwrap();
        crate::events::Profiles.handle(&mut tx, &event).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// An order of the cart as it is, or of a new one.
    async fn place_as(&self, call: &Call, request: &proto::PlaceOrderRequest) -> Result<proto::Order, tonic::Status> {
        {
            let mut state = self.fakes.state();
            state.cart_session = call.session().unwrap().id.to_string();
            if state.cart.state() != carts::CartState::Active {
                state.cart = super::world::cart();
            }
        }
        Ok(self.orders(call).place_order(request.clone()).await?.into_inner().order.unwrap())
    }

    async fn sees(&self, call: &Call, order: &proto::Order) -> bool {
        let key = Some(proto::get_order_request::Key::OrderId(order.order_id.clone()));
        let got = self.orders(call).get_order(proto::GetOrderRequest { key }).await;
        let listed = self.numbers(call, OrderFilter::default()).await.contains(&order.number);
        assert_eq!(got.is_ok(), listed, "lists and reads agree");
        listed
    }

    async fn numbers(&self, call: &Call, filter: OrderFilter) -> Vec<String> {
        let request = proto::ListOrdersRequest { filter: Some(filter), ..Default::default() };
        let orders = self.orders(call).list_orders(request).await.unwrap().into_inner().orders;
        orders.into_iter().map(|order| order.number).collect()
    }

    async fn exported(&self, profile: ProfileId) -> usize {
        let filter = Some(OrderFilter { profile_id: profile.to_string(), ..Default::default() });
        let request = proto::ExportOrdersRequest { filter };
        let mut export = self.streams(&admin()).export_orders(request).await.unwrap().into_inner();
        let mut count = 0;
        while export.message().await.unwrap().is_some() {
            count += 1;
        }
        count
    }
}

#[tokio::test]
async fn orders_follow_the_customer_through_merge_and_split() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let (a, b, other) = (ProfileId::new(START), ProfileId::new(START), ProfileId::new(START));
        let (ada, ada_too, somebody) = (identified(a), identified(b), identified(other));
        let first = world.place_as(&ada, &world.request()).await.unwrap();
        let second = world.place_as(&ada_too, &world.request()).await.unwrap();
        let apart = async || {
            assert!(world.sees(&ada, &first).await && !world.sees(&ada, &second).await);
            assert!(world.sees(&ada_too, &second).await && !world.sees(&ada_too, &first).await);
            assert_eq!((world.exported(a).await, world.exported(b).await), (1, 1));
        };
        apart().await;
        let merged = ProfilesMerged {
            profile_id: a.to_string(),
            members: vec![member(a, a, 1), member(b, a, 1)],
            merge_id: String::new(),
        };
        world.hear(&merged).await;
        for call in [&ada, &ada_too] {
            assert!(world.sees(call, &first).await && world.sees(call, &second).await);
        }
        assert!(!world.sees(&somebody, &first).await);
        assert_eq!((world.exported(a).await, world.exported(b).await, world.exported(other).await), (2, 2, 0));
        let filter = OrderFilter { profile_id: b.to_string(), ..Default::default() };
        assert_eq!(world.numbers(&admin(), filter).await.len(), 2);
        // Orders keep the profile that they were given.
        assert_eq!(world.order(&second.order_id).await.profile_id, b.to_string());
        let cancel = proto::CancelOrderRequest {
            order_id: second.order_id.clone(),
            reason: "twice".to_owned(),
            ..Default::default()
        };
        world.orders(&ada).cancel_order(cancel).await.unwrap();
        let split = ProfileSplit { profile_id: a.to_string(), members: vec![member(a, a, 2), member(b, b, 2)] };
        world.hear(&split).await;
        apart().await;
        // The merge again, late: the split holds.
        world.hear(&merged).await;
        apart().await;
    }
}

#[tokio::test]
async fn a_watch_follows_the_customer() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.live();
        let (a, b) = (ProfileId::new(START), ProfileId::new(START));
        let (ada, ada_too) = (identified(a), identified(b));
        let mut watch =
            world.streams(&ada).watch_orders(proto::WatchOrdersRequest::default()).await.unwrap().into_inner();
        watch.message().await.unwrap().unwrap();
        let hidden = world.place_as(&ada_too, &world.request()).await.unwrap();
        let own = world.place_as(&ada, &world.request()).await.unwrap();
        let mut next = async || {
            let message = tokio::time::timeout(std::time::Duration::from_secs(20), watch.message()).await;
            message.expect("an event is missing").unwrap().unwrap().order.unwrap()
        };
        assert_eq!(next().await.order_id, own.order_id);
        let members = vec![member(a, a, 1), member(b, a, 1)];
        world.hear(&ProfilesMerged { profile_id: a.to_string(), members, merge_id: String::new() }).await;
        world.pay(&hidden.order_id, "p", proto::PaymentEventKind::Authorized, "279.00").await.unwrap();
        // What happened before is history; from here on it is the customer's own.
        let mut seen = next().await;
        while seen.order_id == own.order_id {
            seen = next().await;
        }
        assert_eq!(seen.order_id, hidden.order_id);
    }
}

#[tokio::test]
async fn a_session_that_was_handed_over_orders_the_cart_and_sees_nothing_else() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let owner = ProfileId::new(START);
        let ada = identified(owner);
        let before = world.place_as(&ada, &world.request()).await.unwrap();
        let cart = carts::Cart { profile_id: owner.to_string(), ..super::world::cart() };
        let id = cart.cart_id.clone();
        world.fakes.state().cart = cart;
        for cart_id in [String::new(), id.clone()] {
            let request = proto::PlaceOrderRequest { cart_id, ..world.request() };
            let refused = world.place_as(&linked(&id, false), &request).await;
            assert_eq!(told(refused), "PermissionDenied NOT_HANDED_OVER");
        }
        // Without a name it is the cart that was handed over.
        let other = linked("cart_01k00000000000000000000009", true);
        assert_eq!(told(world.place_as(&other, &world.request()).await), "NotFound NOT_FOUND");
        let mut editor = linked(&id, true);
        editor.caller.identity.session.as_mut().unwrap().assisted_by = Some("ayse".to_owned());
        let order = world.place_as(&editor, &world.request()).await.unwrap();
        assert_eq!(order.profile_id, owner.to_string(), "it is the customer's order");
        let request = proto::ListOrderEventsRequest { order_id: order.order_id.clone(), ..Default::default() };
        let events = world.orders(&editor).list_order_events(request).await.unwrap().into_inner().events;
        let actor = events[0].actor.clone().unwrap();
        assert_eq!((actor.kind(), actor.id.as_str()), (ActorKind::Associate, "ayse"));
        assert!(world.sees(&editor, &order).await && !world.sees(&editor, &before).await);
        assert!(world.sees(&ada, &order).await);
        // Neither does a proven contact open the history.
        world.fakes.state().verified = true;
        let key = Some(proto::get_order_request::Key::Number(before.number.clone()));
        let found = world.orders(&editor).get_order(proto::GetOrderRequest { key }).await;
        assert_eq!(told(found), "NotFound NOT_FOUND");
    }
}

#[tokio::test]
async fn a_session_that_was_handed_over_is_told_that_the_history_stayed_behind() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let owner = ProfileId::new(START);
        world.place_as(&identified(owner), &world.request()).await.unwrap();
        let cart = carts::Cart { profile_id: owner.to_string(), ..super::world::cart() };
        let (editor, reader) = (linked(&cart.cart_id, true), linked(&cart.cart_id, false));
        world.fakes.state().cart = cart;
        let list = async |call: &Call, states: &[proto::OrderState]| {
            let states = states.iter().map(|state| i32::from(*state)).collect();
            let filter = Some(OrderFilter { states, ..OrderFilter::default() });
            let request = proto::ListOrdersRequest { filter, ..Default::default() };
            Ok::<_, tonic::Status>(world.orders(call).list_orders(request).await?.into_inner().orders.len())
        };
        let returns = async |call: &Call| {
            let request = proto::ListReturnsRequest::default();
            Ok::<_, tonic::Status>(world.returns(call).list_returns(request).await?.into_inner().returns.len())
        };
        for session in [&editor, &reader] {
            assert_eq!(told(list(session, &[]).await), "PermissionDenied NOT_HANDED_OVER");
            assert_eq!(told(returns(session).await), "PermissionDenied NOT_HANDED_OVER");
        }
        // What it placed itself is its own to see; then nothing is nothing.
        world.place_as(&editor, &world.request()).await.unwrap();
        assert_eq!(list(&editor, &[]).await.unwrap(), 1);
        assert_eq!(list(&editor, &[proto::OrderState::Completed]).await.unwrap(), 0);
        assert_eq!(returns(&editor).await.unwrap(), 0);
        assert_eq!(told(list(&reader, &[]).await), "PermissionDenied NOT_HANDED_OVER");
        // Guests and customers who ordered nothing have an empty list.
        for call in [customer(), identified(ProfileId::new(START))] {
            assert_eq!((list(&call, &[]).await.unwrap(), returns(&call).await.unwrap()), (0, 0));
        }
    }
}

const CANARY: &str = "Kanarya";

/// Every column that could hold a person.
const COLUMNS: [(&str, bool); 8] = [
    ("SELECT body AS held FROM orders LIMIT 99", false),
    ("SELECT reason AS held FROM order_events LIMIT 999", false),
    ("SELECT reason AS held FROM refund_tasks LIMIT 99", false),
    ("SELECT argument AS held FROM tasks LIMIT 99", false),
    ("SELECT document AS held FROM import_conflicts LIMIT 99", true),
    ("SELECT reply AS held FROM requests LIMIT 99", true),
    ("SELECT payload AS held FROM outbox LIMIT 999", true),
    ("SELECT sealed AS held FROM pickup_codes LIMIT 99", true),
];

impl World {
    /// Which columns hold the canary.
    async fn canaries(&self) -> Vec<&'static str> {
        let mut conn = self.db.read().await.unwrap();
        let mut found = Vec::new();
        for (sql, bytes) in COLUMNS {
            for row in conn.fetch_all(Sql::portable(sql), args![]).await.unwrap() {
                let held = match bytes {
                    true => String::from_utf8_lossy(&row.get::<Vec<u8>>("held").unwrap()).into_owned(),
                    false => row.get::<String>("held").unwrap(),
                };
                if held.contains(CANARY) && !found.contains(&sql) {
                    found.push(sql);
                }
            }
        }
        found
    }

    /// An order of the customer with their name in every field, shipped, cancelled in part and sent back.
    async fn full_of_canaries(&self, call: &Call) -> proto::Order {
        {
            let mut state = self.fakes.state();
            state.cart = super::world::cart();
            for line in &mut state.cart.lines {
                line.options.insert("engraving".to_owned(), CANARY.to_owned());
            }
            let address = common::Address {
                recipient: CANARY.to_owned(),
                organization: CANARY.to_owned(),
                lines: vec![CANARY.to_owned()],
                city: CANARY.to_owned(),
                region: CANARY.to_owned(),
                postal_code: CANARY.to_owned(),
                country_code: "TR".to_owned(),
                phone: CANARY.to_owned(),
            };
            let delivery = state.cart.delivery.as_mut().unwrap();
            delivery.set_kind(DeliveryKind::Ship);
            delivery.shipping = Some(carts::ShippingChoice { address: Some(address), ..Default::default() });
            for (_, on_hand) in state.shelf.iter_mut() {
                *on_hand = 2;
            }
        }
        let contact = common::contact::Value::Email(format!("{CANARY}@example.com"));
        let request =
            proto::PlaceOrderRequest { contact: Some(common::Contact { value: Some(contact) }), ..self.request() };
        let order = self.place_as(call, &request).await.unwrap();
        self.pay(&order.order_id, "p", proto::PaymentEventKind::Captured, "279.00").await.unwrap();
        let (kept, refused) = (&order.groups[0], &order.groups[1]);
        let of = |part: &proto::FulfillmentGroup| {
            Some(proto::GroupRef { group_id: part.group_id.clone(), ..group(&order).unwrap() })
        };
        let mut fulfillment = self.fulfillment(&admin());
        let reject = proto::RejectRequest { group: of(refused), reason: format!("{CANARY} lives too far") };
        fulfillment.reject(reject).await.unwrap();
        fulfillment.accept(proto::AcceptRequest { group: of(kept) }).await.unwrap();
        fulfillment.pack(proto::PackRequest { group: of(kept), short_lines: Vec::new() }).await.unwrap();
        let ship =
            proto::ShipRequest { group: of(kept), carrier: "Aras".to_owned(), tracking_number: CANARY.to_owned() };
        fulfillment.ship(ship).await.unwrap();
        fulfillment.deliver(proto::DeliverRequest { group: of(kept) }).await.unwrap();
        let cancel = proto::CancelOrderRequest {
            order_id: order.order_id.clone(),
            reason: format!("{CANARY} called"),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        self.orders(&admin()).cancel_order(cancel).await.unwrap();
        let lines = vec![proto::LineQuantity { quantity: 1, ..kept.lines[0].clone() }];
        let ask = proto::RequestReturnRequest {
            order_id: order.order_id.clone(),
            lines,
            reason: format!("{CANARY} does not like it"),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let found = self.returns(call).request_return(ask).await.unwrap().into_inner().order_return.unwrap();
        let named = Some(proto::ReturnRef { return_id: found.return_id, ..Default::default() });
        let reject = proto::RejectReturnRequest { return_ref: named, reason: format!("{CANARY} wore it") };
        self.returns(&clerk("izmir")).reject_return(reject).await.unwrap();
        self.order(&order.order_id).await
    }

    async fn import_one(&self, document: &proto::ImportDocument) -> proto::ImportOrdersResponse {
        let request = proto::ImportOrdersRequest { document: Some(document.clone()) };
        let mut answers =
            self.streams(&partner("shop")).import_orders(stream::iter([request])).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn an_erased_customer_is_in_no_order_and_every_amount_is() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let (profile, other) = (ProfileId::new(START), ProfileId::new(START));
        let ada = identified(profile);
        let order = world.full_of_canaries(&ada).await;
        // One of a source where they have a number, with a statement kept aside.
        let line = proto::OrderLine {
            sku: "mug".to_owned(),
            quantity: 1,
            unit_price: Some(lira("30.00")),
            options: [("engraving".to_owned(), CANARY.to_owned())].into(),
            source_customer_ref: CANARY.to_owned(),
            ..Default::default()
        };
        let document = proto::ImportDocument {
            channel_order_id: "1".to_owned(),
            kind: proto::DocumentKind::Sale.into(),
            mode: proto::ImportMode::Historical.into(),
            currency_code: "TRY".to_owned(),
            place_time: Some(START.to_proto()),
            customer_ref: CANARY.to_owned(),
            lines: vec![line],
            ..Default::default()
        };
        let imported = world.import_one(&document).await.order_id;
        let conflicting = |seconds: u64, quantity| {
            let mut other = document.clone();
            other.lines[0].quantity = quantity;
            let at = START.plus(std::time::Duration::from_secs(seconds));
            proto::ImportDocument { update_time: Some(at.to_proto()), ..other }
        };
        assert_eq!(world.import_one(&conflicting(0, 2)).await.outcome(), ImportOutcome::Conflict);
        // Somebody else's order, and one that waits in the store with its code.
        {
            let mut state = world.fakes.state();
            state.cart = super::world::cart();
            state.shelf.values_mut().for_each(|on_hand| *on_hand = 10);
        }
        let others = world.place_as(&identified(other), &world.request()).await.unwrap();
        let in_store = proto::PlaceOrderRequest { payment_method: PaymentMethod::InStore.into(), ..world.request() };
        let waiting = world.place_as(&ada, &in_store).await.unwrap();
        let waiting = world.ready(&waiting).await;
        let ask = proto::GetPickupCodeRequest { order_id: waiting.order_id.clone(), group_id: String::new() };
        let code = world.orders(&ada).get_pickup_code(ask.clone()).await.unwrap().into_inner();

        let before = world.canaries().await;
        let clean = ["tasks", "refund_tasks", "outbox", "pickup_codes"];
        assert!(
            before.len() == 4 && clean.iter().all(|table| before.iter().all(|sql| !sql.contains(table))),
            "{before:?}"
        );
        let secrets = &world.app.deps.secrets;
        let key = customers::source_key(secrets, common::Channel::Partner.into(), "shop", CANARY);
        let erased = ProfileErased {
            erasure_id: "erasure_1".to_owned(),
            profile_ids: vec![profile.to_string()],
            source_keys: vec![key.as_bytes().to_vec()],
            ..ProfileErased::default()
        };
        world.hear(&erased).await;
        assert_eq!(world.canaries().await, Vec::<&str>::new());

        let after = world.order(&order.order_id).await;
        assert_eq!((after.contact.clone(), after.shipping_address.clone()), (None, None));
        assert_eq!(
            (&after.totals, after.state, after.payment_state),
            (&order.totals, order.state, order.payment_state)
        );
        let amounts = |order: &proto::Order| -> Vec<_> {
            order.lines.iter().map(|line| (line.sku.clone(), line.quantity, line.total.clone())).collect()
        };
        assert_eq!(amounts(&after), amounts(&order));
        assert_eq!((&after.profile_id, &after.number), (&order.profile_id, &order.number));
        assert_eq!(world.order(&others.order_id).await, others, "nobody else is touched");
        // The code can't be read any more, but whoever has it can still collect.
        assert_eq!(told(world.orders(&ada).get_pickup_code(ask).await), "FailedPrecondition ILLEGAL_TRANSITION");
        world.pay(&waiting.order_id, "w", proto::PaymentEventKind::Captured, "279.00").await.unwrap();
        world.collect(&waiting, &code.code).await.unwrap();
        // A newer statement brings nobody back, nor does one that is kept aside.
        assert_eq!(world.import_one(&conflicting(10, 3)).await.outcome(), ImportOutcome::Updated);
        assert_eq!(world.import_one(&conflicting(10, 4)).await.outcome(), ImportOutcome::Conflict);
        assert_eq!(world.order(&imported).await.lines[0].quantity, 3);
        // Nor does another document of theirs.
        let second = proto::ImportDocument { channel_order_id: "2".to_owned(), ..document.clone() };
        assert_eq!(world.import_one(&second).await.outcome(), ImportOutcome::Created);
        // Nor what is asked for later.
        let lines = vec![proto::LineQuantity { line_id: after.groups[0].lines[0].line_id.clone(), quantity: 1 }];
        let late = proto::RequestReturnRequest {
            order_id: order.order_id.clone(),
            lines,
            reason: CANARY.to_owned(),
            ..Default::default()
        };
        world.returns(&admin()).request_return(late).await.unwrap();
        assert_eq!(world.canaries().await, Vec::<&str>::new());
        let mut conn = world.db.read().await.unwrap();
        let applied = Sql::portable("SELECT payload FROM outbox WHERE aggregate_id = 'erasure_1' LIMIT 9");
        let rows = conn.fetch_all(applied, args![]).await.unwrap();
        let applied = ErasureApplied::decode(rows[0].get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap();
        assert_eq!((rows.len(), applied.service.as_str()), (1, "orders"));
    }
}

#[tokio::test]
async fn what_a_guest_ordered_is_forgotten_with_who_they_turned_out_to_be() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let (guest, other) = (customer(), customer());
        let order = world.full_of_canaries(&guest).await;
        assert_eq!(order.profile_id, "");
        let before = world.canaries().await;
        assert_eq!(before.len(), 3, "{before:?}");
        // Another guest's order, and one that was placed in the session when it was somebody else's.
        {
            let mut state = world.fakes.state();
            state.cart = super::world::cart();
            state.shelf.values_mut().for_each(|on_hand| *on_hand = 10);
        }
        let others = world.place_as(&other, &world.request()).await.unwrap();
        world.db.clock.advance(std::time::Duration::from_secs(60));
        let until = world.db.clock.now();
        let later = world.place_as(&guest, &world.request()).await.unwrap();
        let (others, later) = (world.order(&others.order_id).await, world.order(&later.order_id).await);
        assert!(others.contact.is_some() && later.contact.is_some());

        let session = guest.session().unwrap().id;
        let held = Held { session, from: None, until: Some(until) };
        let erased = ProfileErased {
            erasure_id: "erasure_1".to_owned(),
            profile_ids: vec![ProfileId::new(START).to_string()],
            sessions: vec![held.to_proto()],
            ..ProfileErased::default()
        };
        world.hear(&erased).await;
        assert_eq!(world.canaries().await, Vec::<&str>::new());
        let after = world.order(&order.order_id).await;
        assert_eq!((after.contact, after.shipping_address), (None, None));
        assert_eq!((after.totals, after.state), (order.totals, order.state), "what was sold for how much stays");
        for untouched in [others, later] {
            assert_eq!(world.order(&untouched.order_id).await, untouched);
        }
    }
}
