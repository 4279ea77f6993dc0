//! The story that omnimesh is for: one cart across channels becomes an order that a store hands over.

use omnimesh_proto::{
    carts::v1::{CartState, WatchCartRequest},
    catalog::v1::{Availability, GetAvailabilityRequest, stock_service_client::StockServiceClient},
    common::v1::{ActorKind, Channel},
    orders::v1::{
        AcceptRequest, CancelOrderRequest, ConfirmPickupRequest, DeliverRequest, FulfillmentState,
        GetPickupCodeRequest, GroupRef, MarkReadyRequest, Order, OrderState, PackRequest, PaymentState, ShipRequest,
        fulfillment_service_client::FulfillmentServiceClient,
    },
    profiles::v1::{
        Interaction, InteractionKind, ListInteractionsRequest, timeline_service_client::TimelineServiceClient,
    },
    sessions::v1::SessionLevel,
};
use omnimesh_tests::{
    Client, Device, Mesh, Mode, PATIENCE,
    customer::{address, pay, pickup, request_id, shipping},
    eventually,
    raw::Refusal,
};
use tonic::Code;

use crate::{
    demo::{ANKARA, COFFEE, GLASSES, ISTANBUL, TEA},
    in_every_mode,
};

const EMAIL: &str = "ayse@example.com";

in_every_mode!(the_story_goes_as_told);

async fn the_story_goes_as_told(mode: Mode) {
    let mesh = Mesh::start(mode).await;
    let app = one_cart_across_channels(&mesh).await;
    let order = a_store_hands_the_order_over(&mesh, &app).await;
    the_timeline_tells_it_all(&app, &order).await;
    a_second_order_ships(&mesh, &app).await;
    a_third_is_cancelled_and_its_stock_is_back(&mesh, &app).await;
    mesh.assert_no_defect();
}

/// The web's guest cart and the app's become one, and the web sees it live. Gives the app.
async fn one_cart_across_channels(mesh: &Mesh) -> Device {
    let mut web = Device::start(mesh, Channel::Web).await;
    let guest_cart = web.add(TEA, 2).await;
    assert_eq!((guest_cart.channel(), guest_cart.profile_id.as_str()), (Channel::Web, ""));
    web.identify(mesh, EMAIL).await;
    assert_eq!(web.session.level(), SessionLevel::Identified);

    let mut app = Device::start(mesh, Channel::App).await;
    let app_cart = app.add(GLASSES, 1).await;
    app.add(TEA, 1).await;
    let watch = WatchCartRequest::default();
    let mut live = web.carts().watch_cart(web.client.request(watch)).await.unwrap().into_inner();
    let seen = live.message().await.unwrap().unwrap().cart.unwrap();
    assert_eq!(quantities(&seen.lines), [(TEA, 2)]);

    app.identify(mesh, EMAIL).await;
    assert_eq!(app.session.profile_id, web.session.profile_id, "one customer");
    let merged = tokio::time::timeout(PATIENCE, async {
        loop {
            let cart = live.message().await.unwrap().expect("the watch goes on").cart.unwrap();
            if cart.lines.len() == 2 {
                return cart;
            }
        }
    });
    let merged = merged.await.expect("the web shop sees the app's line");
    // Of equal lines the larger quantity counts.
    assert_eq!(quantities(&merged.lines), [(GLASSES, 1), (TEA, 2)]);
    let found = app.cart().await.unwrap();
    assert_eq!((&found.cart_id, &found.lines), (&merged.cart_id, &merged.lines), "both devices show one cart");
    assert_eq!(found.profile_id, app.session.profile_id);

    // Clients hold old ids: both still lead to the cart that goes on.
    for old in [guest_cart.cart_id, app_cart.cart_id] {
        let request = omnimesh_proto::carts::v1::GetCartRequest { cart_id: old };
        let resolved = app.carts().get_cart(app.client.request(request)).await.unwrap().into_inner().cart.unwrap();
        assert_eq!((resolved.cart_id.as_str(), resolved.state()), (found.cart_id.as_str(), CartState::Active));
    }

    let changed = app.add(COFFEE, 1).await;
    let seen = tokio::time::timeout(PATIENCE, async {
        loop {
            let cart = live.message().await.unwrap().expect("the watch goes on").cart.unwrap();
            if cart.version >= changed.version {
                return cart;
            }
        }
    });
    let seen = seen.await.expect("the web shop sees the coffee");
    assert_eq!(quantities(&seen.lines), [(COFFEE, 1), (GLASSES, 1), (TEA, 2)]);
    app
}

async fn a_store_hands_the_order_over(mesh: &Mesh, app: &Device) -> Order {
    let admin = mesh.admin().await;
    let before = available(&admin, TEA).await;
    let cart = app.deliver(pickup(ISTANBUL)).await;
    let order = app.place(Device::order_of(&cart, EMAIL)).await.unwrap().into_inner();
    assert_eq!((order.state(), order.payment_state()), (OrderState::Placed, PaymentState::Pending));
    assert_eq!(order.profile_id, app.session.profile_id);
    assert_eq!(order.totals.as_ref().unwrap().total, cart.totals.as_ref().unwrap().total);
    let group = &order.groups[0];
    assert_eq!((order.groups.len(), group.location_id.as_str()), (1, ISTANBUL));
    assert!(group.store.as_ref().is_some_and(|store| store.name.contains("Kadıköy")), "the store is a snapshot");
    assert_eq!(available(&admin, TEA).await, before - 2, "what is ordered is not sold again");
    eventually("the cart is closed", async || {
        app.cart().await.is_err_and(|status| status.code() == Code::NotFound).then_some(())
    })
    .await;

    let order = pay(&admin, &order).await;
    assert_eq!((order.state(), order.payment_state()), (OrderState::Confirmed, PaymentState::Captured));

    let here = mesh.associate("associate-istanbul", &[ISTANBUL]).await;
    let elsewhere = mesh.associate("associate-ankara", &[ANKARA]).await;
    let accept = |order: &Order| AcceptRequest { group: Some(group_of(order)) };
    let denied = fulfillment(&elsewhere).accept(elsewhere.request(accept(&order))).await.unwrap_err();
    assert!(matches!(denied.code(), Code::NotFound | Code::PermissionDenied), "another store's staff: {denied}");

    let order = answer(fulfillment(&here).accept(here.request(accept(&order))).await).order.unwrap();
    assert_eq!(order.groups[0].state(), FulfillmentState::Accepted);
    let again = Refusal::from(fulfillment(&here).accept(here.request(accept(&order))).await.unwrap_err());
    assert_eq!((again.code, again.reason.as_str()), (Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
    assert!(again.metadata.iter().any(|(key, value)| key == "allowed" && value.contains("PACK")), "{again:?}");

    let pack = PackRequest { group: Some(group_of(&order)), short_lines: Vec::new() };
    answer(fulfillment(&here).pack(here.request(pack)).await);
    let code = GetPickupCodeRequest { order_id: order.order_id.clone(), group_id: String::new() };
    app.orders().get_pickup_code(app.client.request(code.clone())).await.expect_err("not ready, so there is no code");
    let ready = MarkReadyRequest { group: Some(group_of(&order)) };
    let order = answer(fulfillment(&here).mark_ready(here.request(ready)).await).order.unwrap();
    assert_eq!(order.groups[0].state(), FulfillmentState::ReadyForPickup);
    assert_eq!(order.state(), OrderState::Confirmed, "complete only at hand-over");

    let code = answer(app.orders().get_pickup_code(app.client.request(code)).await).code;
    assert_eq!(code.len(), 8);
    let confirm = |code: &str| ConfirmPickupRequest { group: Some(group_of(&order)), code: code.to_owned() };
    let wrong = if code == "ZZZZZZZZ" { "YYYYYYYY" } else { "ZZZZZZZZ" };
    let refused = Refusal::from(fulfillment(&here).confirm_pickup(here.request(confirm(wrong))).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "CODE_WRONG"));
    let denied = fulfillment(&elsewhere).confirm_pickup(elsewhere.request(confirm(&code))).await.unwrap_err();
    assert!(matches!(denied.code(), Code::NotFound | Code::PermissionDenied), "another store's staff: {denied}");

    let order = answer(fulfillment(&here).confirm_pickup(here.request(confirm(&code))).await).order.unwrap();
    assert_eq!(order.groups[0].state(), FulfillmentState::PickedUp);
    assert_eq!(order.state(), OrderState::Completed);
    fulfillment(&here).confirm_pickup(here.request(confirm(&code))).await.expect_err("a code hands over once");
    order
}

async fn the_timeline_tells_it_all(app: &Device, order: &Order) {
    const TOLD: [(InteractionKind, Channel); 10] = [
        (InteractionKind::CartLineAdded, Channel::Web),
        (InteractionKind::Identified, Channel::Web),
        (InteractionKind::CartLineAdded, Channel::App),
        (InteractionKind::Identified, Channel::App),
        (InteractionKind::OrderPlaced, Channel::App),
        (InteractionKind::OrderConfirmed, Channel::Unspecified),
        (InteractionKind::FulfillmentAccepted, Channel::Store),
        (InteractionKind::FulfillmentPacked, Channel::Store),
        (InteractionKind::ReadyForPickup, Channel::Store),
        (InteractionKind::PickedUp, Channel::Store),
    ];
    let interactions = eventually("the timeline tells it all", async || {
        let all = timeline(app).await;
        let told = |kind, channel| all.iter().any(|one| is(one, kind, channel));
        let missing: Vec<_> = TOLD.iter().filter(|(kind, channel)| !told(*kind, *channel)).collect();
        if !missing.is_empty() {
            eprintln!("the timeline lacks {missing:?}");
        }
        missing.is_empty().then_some(all)
    })
    .await;
    let times: Vec<_> = interactions.iter().map(|one| one.occur_time.map(|time| (time.seconds, time.nanos))).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "newest first: {times:?}");
    let picked_up = interactions.iter().find(|one| one.kind() == InteractionKind::PickedUp).unwrap();
    assert_eq!(picked_up.resource_id, order.order_id);
    assert_eq!(picked_up.actor.as_ref().unwrap().kind(), ActorKind::Associate);
    assert!(interactions.iter().all(|one| one.trace_id.len() == 32), "every interaction names its trace");
    let ready = interactions.iter().filter(|one| one.kind() == InteractionKind::ReadyForPickup).count();
    assert_eq!(ready, 1, "exactly one notice");
}

fn is(interaction: &Interaction, kind: InteractionKind, channel: Channel) -> bool {
    // Unspecified: whatever the channel.
    interaction.kind() == kind && (channel == Channel::Unspecified || interaction.channel() == channel)
}

async fn a_second_order_ships(mesh: &Mesh, app: &Device) {
    let admin = mesh.admin().await;
    let stock = stock(&admin, COFFEE).await;
    app.add(COFFEE, 3).await;
    let cart = app.deliver(shipping(app, address()).await).await;
    let order = app.place(Device::order_of(&cart, EMAIL)).await.unwrap().into_inner();
    let order = pay(&admin, &order).await;
    assert_eq!(order.state(), OrderState::Confirmed);

    let location = order.groups[0].location_id.clone();
    let staff = mesh.associate("associate-warehouse", &[&location]).await;
    answer(fulfillment(&staff).accept(staff.request(AcceptRequest { group: Some(group_of(&order)) })).await);
    let pack = PackRequest { group: Some(group_of(&order)), short_lines: Vec::new() };
    answer(fulfillment(&staff).pack(staff.request(pack)).await);
    let ship = ShipRequest { group: Some(group_of(&order)), carrier: "Carrier".into(), tracking_number: "T-1".into() };
    let shipped = answer(fulfillment(&staff).ship(staff.request(ship)).await).order.unwrap();
    assert_eq!(shipped.groups[0].state(), FulfillmentState::Shipped);
    assert_eq!(shipped.groups[0].tracking_number, "T-1");
    let deliver = DeliverRequest { group: Some(group_of(&order)) };
    let delivered = answer(fulfillment(&staff).deliver(staff.request(deliver)).await).order.unwrap();
    assert_eq!(delivered.state(), OrderState::Completed);

    let left = |availability: &Availability| availability.levels.iter().map(|level| level.on_hand).sum::<i64>();
    eventually("the goods have left the shelf", async || {
        (left(&self::stock(&admin, COFFEE).await) == left(&stock) - 3).then_some(())
    })
    .await;
}

async fn a_third_is_cancelled_and_its_stock_is_back(mesh: &Mesh, app: &Device) {
    let admin = mesh.admin().await;
    let before = stock(&admin, TEA).await;
    app.add(TEA, 4).await;
    let cart = app.deliver(shipping(app, address()).await).await;
    let order = app.place(Device::order_of(&cart, EMAIL)).await.unwrap().into_inner();
    assert_eq!(available(&admin, TEA).await, before.available - 4);

    let cancel = CancelOrderRequest {
        order_id: order.order_id.clone(),
        reason: "changed my mind".into(),
        expected_version: 0,
        request_id: request_id(),
    };
    let cancelled = answer(app.orders().cancel_order(app.client.request(cancel)).await).order.unwrap();
    assert_eq!(cancelled.state(), OrderState::Cancelled);
    assert!(cancelled.groups.iter().all(|group| group.state() == FulfillmentState::Cancelled));
    let parts = |availability: &Availability| -> Vec<_> {
        let levels = availability.levels.iter();
        levels.map(|level| (level.location_id.clone(), level.on_hand, level.reserved, level.allocated)).collect()
    };
    eventually("the stock is back exactly", async || {
        (parts(&stock(&admin, TEA).await) == parts(&before)).then_some(())
    })
    .await;
}

fn answer<T>(result: Result<tonic::Response<T>, tonic::Status>) -> T {
    result.expect("the story goes on").into_inner()
}

fn fulfillment(client: &Client) -> FulfillmentServiceClient<tonic::transport::Channel> {
    FulfillmentServiceClient::new(client.channel())
}

fn group_of(order: &Order) -> GroupRef {
    GroupRef { order_id: order.order_id.clone(), request_id: request_id(), ..GroupRef::default() }
}

fn quantities(lines: &[omnimesh_proto::carts::v1::CartLine]) -> Vec<(&str, i64)> {
    let mut quantities: Vec<_> = lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
    quantities.sort_unstable();
    quantities
}

async fn stock(admin: &Client, sku: &str) -> Availability {
    let request =
        GetAvailabilityRequest { skus: vec![sku.to_owned()], channel: Channel::App.into(), location_ids: Vec::new() };
    let answer = StockServiceClient::new(admin.channel()).get_availability(admin.request(request)).await;
    answer.unwrap().into_inner().availabilities.remove(0)
}

async fn available(admin: &Client, sku: &str) -> i64 {
    stock(admin, sku).await.available
}

async fn timeline(device: &Device) -> Vec<Interaction> {
    let mut timeline = TimelineServiceClient::new(device.client.channel());
    let request = ListInteractionsRequest { page_size: 100, ..ListInteractionsRequest::default() };
    timeline.list_interactions(device.client.request(request)).await.unwrap().into_inner().interactions
}
