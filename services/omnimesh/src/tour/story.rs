//! The story's chapters.

use std::{io::Write, time::Duration};

use anyhow::{Context as _, Result, ensure};
use omnimesh_proto::{
    carts::v1::{
        Cart, GetCartRequest, PickupChoice, SetDeliveryRequest, ShippingChoice, WatchCartRequest,
        cart_service_client::CartServiceClient, set_delivery_request::Choice,
    },
    catalog::v1::{GetAvailabilityRequest, stock_service_client::StockServiceClient},
    common::v1::{Address, Channel, Contact, DeviceClass, contact},
    orders::v1::{
        CancelOrderRequest, GetPickupCodeRequest, Order, OrderState, PaymentMethod, PlaceOrderRequest,
        order_service_client::OrderServiceClient,
    },
    profiles::v1::{InteractionKind, ListInteractionsRequest, timeline_service_client::TimelineServiceClient},
};

use super::{
    device::{Device, Teller, request_id},
    scene::Scene,
    store::Store,
};
use crate::client::Client;

/// How long the story waits for what follows by event.
const PATIENCE: Duration = Duration::from_secs(15);

/// Web to app: one cart.
pub(super) async fn cart_across_channels<W: Write>(
    admin: &Client,
    scene: &Scene,
    teller: &mut Teller<'_, W>,
) -> Result<Device> {
    teller.chapter("A cart begins on the web and goes on in the app")?;
    let mut web = Device::start(admin, Channel::Web, DeviceClass::Desktop, teller).await?;
    web.add(scene.sku(0)?, 2, teller).await?;
    web.identify(admin, &scene.email, teller).await?;

    let mut app = Device::start(admin, Channel::App, DeviceClass::Mobile, teller).await?;
    app.add(scene.sku(1)?, 1, teller).await?;
    let mut carts = CartServiceClient::new(web.client.channel());
    let mut watch = carts.watch_cart(web.client.request(WatchCartRequest::default())).await?.into_inner();
    watch.message().await?.context("the watch ended")?;
    app.identify(admin, &scene.email, teller).await?;
    ensure!(app.session.profile_id == web.session.profile_id, "both devices should be one customer's");

    let merged = tokio::time::timeout(PATIENCE, async {
        loop {
            let cart = watch.message().await?.and_then(|change| change.cart).context("the watch ended")?;
            if cart.lines.len() == 2 {
                return Ok::<_, anyhow::Error>(cart);
            }
        }
    });
    let merged = merged.await.context("the web shop did not see the app's line")??;
    let found = cart(&app).await?;
    ensure!(found.cart_id == merged.cart_id && found.lines.len() == 2, "both devices should see one cart of two lines");
    teller.note(format!("web and app show one cart, live: {} lines, {}", found.lines.len(), total(&found)?))?;
    Ok(app)
}

/// An order is placed, paid and collected in a store.
pub(super) async fn pickup<W: Write>(
    store: &Store,
    scene: &Scene,
    customer: &Device,
    teller: &mut Teller<'_, W>,
) -> Result<()> {
    teller.chapter("It becomes an order that a store hands over")?;
    let choice = Choice::Pickup(PickupChoice { location_id: scene.store.clone() });
    let order = place(scene, customer, choice, format!("wants it from the store {}", scene.store), teller).await?;
    let order = store.record_payment(&order, teller).await?;
    ensure!(order.state() == OrderState::Confirmed, "a paid order should be confirmed");
    store.accept_and_pack(&order, teller).await?;
    store.mark_ready(&order, teller).await?;

    let request = GetPickupCodeRequest { order_id: order.order_id.clone(), group_id: String::new() };
    let mut orders = OrderServiceClient::new(customer.client.channel());
    let response = orders.get_pickup_code(customer.client.request(request)).await?;
    teller.step("app", "shows the pickup code", &order.number, &response)?;
    let order = store.hand_over(&order, &response.get_ref().code, teller).await?;
    ensure!(order.state() == OrderState::Completed, "a paid order that was collected should be complete");
    Ok(())
}

/// What every channel did, newest first.
pub(super) async fn timeline<W: Write>(customer: &Device, teller: &mut Teller<'_, W>) -> Result<()> {
    const TOLD: [InteractionKind; 6] = [
        InteractionKind::CartLineAdded,
        InteractionKind::Identified,
        InteractionKind::OrderPlaced,
        InteractionKind::PaymentRecorded,
        InteractionKind::ReadyForPickup,
        InteractionKind::PickedUp,
    ];
    teller.chapter("Every channel's part is on one timeline")?;
    let mut timeline = TimelineServiceClient::new(customer.client.channel());
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            let request = customer.client.request(ListInteractionsRequest::default());
            let response = timeline.list_interactions(request).await?;
            let kinds: Vec<_> = response.get_ref().interactions.iter().map(|interaction| interaction.kind()).collect();
            if TOLD.iter().all(|kind| kinds.contains(kind)) {
                return Ok::<_, anyhow::Error>(response);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let response = told.await.context("the timeline lacks a part of the story")??;
    teller.step("app", "looks at the timeline, newest first", &customer.session.profile_id, &response)?;
    for interaction in &response.get_ref().interactions {
        let kind = interaction.kind().as_str_name().trim_start_matches("INTERACTION_KIND_");
        let channel = interaction.channel().as_str_name().trim_start_matches("CHANNEL_").to_lowercase();
        teller.note(format!("{channel:<12} {kind:<22} {}", interaction.resource_id))?;
    }
    Ok(())
}

/// A second order ships.
pub(super) async fn shipment<W: Write>(
    store: &Store,
    scene: &Scene,
    customer: &Device,
    teller: &mut Teller<'_, W>,
) -> Result<()> {
    teller.chapter("A second order ships")?;
    customer.add(scene.sku(2)?, 1, teller).await?;
    let order = place(scene, customer, ship(scene), "wants it sent home", teller).await?;
    let order = store.record_payment(&order, teller).await?;
    store.accept_and_pack(&order, teller).await?;
    let order = store.ship(&order, teller).await?;
    ensure!(order.state() == OrderState::Completed, "a paid order that arrived should be complete");
    Ok(())
}

/// A third order is cancelled, and its stock is back.
pub(super) async fn cancellation<W: Write>(
    admin: &Client,
    scene: &Scene,
    customer: &Device,
    teller: &mut Teller<'_, W>,
) -> Result<()> {
    teller.chapter("A third is cancelled, and its stock is back")?;
    let sku = scene.sku(0)?;
    let before = available(admin, sku).await?;
    customer.add(sku, 2, teller).await?;
    let order = place(scene, customer, ship(scene), "wants it sent home", teller).await?;
    let during = available(admin, sku).await?;
    ensure!(during == before - 2, "two should be reserved: {before} before, {during} now");

    let request = CancelOrderRequest {
        order_id: order.order_id.clone(),
        reason: "changed my mind".into(),
        expected_version: 0,
        request_id: request_id(),
    };
    let mut orders = OrderServiceClient::new(customer.client.channel());
    let response = orders.cancel_order(customer.client.request(request)).await?;
    teller.step("app", "cancels it", &order.number, &response)?;
    let back = tokio::time::timeout(PATIENCE, async {
        while available(admin, sku).await? != before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, anyhow::Error>(())
    });
    back.await.context("the stock did not come back")??;
    teller.note(format!("{sku}: {before} available, {during} while the order stood, {before} again"))?;
    Ok(())
}

/// Chooses the delivery and places the order of the active cart.
async fn place<W: Write>(
    scene: &Scene,
    customer: &Device,
    choice: Choice,
    what: impl std::fmt::Display,
    teller: &mut Teller<'_, W>,
) -> Result<Order> {
    let active = cart(customer).await?;
    let request = SetDeliveryRequest {
        cart_id: String::new(),
        expected_version: active.version,
        request_id: request_id(),
        choice: Some(choice),
    };
    let mut carts = CartServiceClient::new(customer.client.channel());
    let response = carts.set_delivery(customer.client.request(request)).await?;
    let ready = response.get_ref().cart.clone().context("an answer without the cart")?;
    teller.step("app", what, &ready.cart_id, &response)?;

    let totals = ready.totals.clone().context("a cart without totals")?;
    let request = PlaceOrderRequest {
        cart_id: ready.cart_id.clone(),
        cart_version: ready.version,
        expected_total: totals.total.clone(),
        contact: Some(Contact { value: Some(contact::Value::Email(scene.email.clone())) }),
        payment_method: PaymentMethod::Online.into(),
        request_id: request_id(),
    };
    let mut orders = OrderServiceClient::new(customer.client.channel());
    let response = orders.place_order(customer.client.request(request)).await?;
    let order = response.get_ref().order.clone().context("an answer without the order")?;
    teller.step("app", format!("places the order, {}", total(&ready)?), &order.number, &response)?;
    Ok(order)
}

/// Sending it home.
pub(crate) fn ship(scene: &Scene) -> Choice {
    Choice::Shipping(ShippingChoice {
        address: Some(Address {
            recipient: "Ayşe Yılmaz".into(),
            lines: vec!["Bağdat Caddesi 1".into()],
            city: "İstanbul".into(),
            postal_code: "34710".into(),
            country_code: "TR".into(),
            phone: "+905321112233".into(),
            ..Address::default()
        }),
        shipping_method_id: scene.shipping_method.clone(),
    })
}

async fn cart(device: &Device) -> Result<Cart> {
    let mut carts = CartServiceClient::new(device.client.channel());
    let response = carts.get_cart(device.client.request(GetCartRequest::default())).await?;
    response.into_inner().cart.context("an answer without the cart")
}

async fn available(admin: &Client, sku: &str) -> Result<i64> {
    let request =
        GetAvailabilityRequest { skus: vec![sku.to_owned()], channel: Channel::App.into(), location_ids: Vec::new() };
    let response = StockServiceClient::new(admin.channel()).get_availability(admin.request(request)).await?;
    let availability = response.into_inner().availabilities.into_iter().next();
    Ok(availability.context("an answer without the SKU")?.available)
}

fn total(cart: &Cart) -> Result<String> {
    let total = cart.totals.as_ref().and_then(|totals| totals.total.as_ref()).context("a cart without a total")?;
    let money = omnimesh_kit::money::Money::from_proto(total)?;
    Ok(format!("{} {}", money.to_decimal_string(), total.currency_code))
}
