//! Buyers: each fills a cart of its own, orders it, and some change their minds or are sent their goods.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use omnimesh_proto::{
    carts::v1::{
        AddLineRequest, Cart, SetDeliveryRequest, ShippingChoice, cart_service_client::CartServiceClient,
        set_delivery_request::Choice,
    },
    common::v1::{Channel, DeviceClass},
    orders::v1::{
        AcceptRequest, CancelOrderRequest, GroupRef, Order, PackRequest, ShipRequest,
        fulfillment_service_client::FulfillmentServiceClient, order_service_client::OrderServiceClient,
        payment_service_client::PaymentServiceClient,
    },
    profiles::v1::{
        Claims, MergeProfilesRequest, RecordAssertionsRequest, profile_service_client::ProfileServiceClient,
    },
    sessions::v1::{StartSessionRequest, session_service_client::SessionServiceClient},
};
use rand::{Rng as _, rngs::StdRng};
use tonic::{Code, Status};

use super::{
    Field,
    insist::insist,
    ledger::{Fate, Sold},
    stock::{PLENTY, SCARCE, STORE, WANT_SCARCE},
};
use crate::{
    Client,
    customer::{CURRENCY, Device, address, captured, pickup, request_id},
    raw::Refusal,
};

/// One order in so many is cancelled, and one is paid and sent off.
const FATES: usize = 8;
/// Profiles are made one after so many orders.
const MERGE_EVERY: usize = 20;
/// A shipping method of the demo data.
const METHOD: &str = "standard";

/// A buyer's life: cart after cart, until all is over.
pub(super) async fn work(field: &Field, number: usize) {
    let mut chance = field.chance(u64::try_from(number).unwrap());
    while !field.is_over() {
        buy(field, &mut chance).await;
    }
}

/// A cart of a new session, until its order is acknowledged or refused.
pub(super) async fn buy(field: &Field, chance: &mut StdRng) {
    let customer = start(field, chance).await;
    let mut wanted = BTreeMap::new();
    let pick = |chance: &mut StdRng| PLENTY[chance.random_range(0..PLENTY.len())];
    wanted.insert(pick(chance), chance.random_range(1..4));
    wanted.insert(if chance.random_range(0..WANT_SCARCE) == 0 { SCARCE } else { pick(chance) }, 1);
    let mut cart = Cart::default();
    for (sku, quantity) in &wanted {
        cart = add(field, chance, &customer, sku, *quantity).await;
    }
    let ships = chance.random_bool(0.5);
    let cart = deliver(field, chance, &customer, &cart, ships).await;
    let request = Device::order_of(&cart, "buyer@example.com");
    let placed = insist(field, chance, "PlaceOrder", true, async || {
        OrderServiceClient::new(customer.channel()).place_order(customer.request(request.clone())).await
    });
    let cart_id = cart.cart_id.clone();
    match placed.await.map(|placed| placed.order.expect("the order")) {
        Ok(order) => {
            let fate = follow(field, chance, &customer, &order, ships).await;
            let wanted = wanted.into_iter().map(|(sku, quantity)| (sku.to_owned(), quantity)).collect();
            field.ledger.lock().unwrap().sold.push(Sold { order, cart_id, wanted, fate });
        }
        Err(status) if Refusal::from(status.clone()).reason == "OUT_OF_STOCK" && wanted.contains_key(SCARCE) => {
            field.ledger.lock().unwrap().refused.push(cart_id);
        }
        Err(status) => field.tally.surprise("PlaceOrder", &status),
    }
    field.done.fetch_add(1, Ordering::Relaxed);
}

/// A guest's session.
pub(super) async fn start(field: &Field, chance: &mut StdRng) -> Client {
    let request = StartSessionRequest {
        channel: Channel::Web.into(),
        device_class: DeviceClass::Mobile.into(),
        locale: "tr-TR".into(),
        location_id: String::new(),
    };
    let anybody = &field.anybody[chance.random_range(0..field.anybody.len())];
    let started = insist(field, chance, "StartSession", false, async || {
        SessionServiceClient::new(anybody.channel()).start_session(anybody.request(request.clone())).await
    });
    let token = started.await.unwrap_or_else(|status| panic!("a session does not start: {status}")).token;
    anybody.with_credential(&token).unwrap()
}

/// A line of a cart.
pub(super) async fn add(field: &Field, chance: &mut StdRng, customer: &Client, sku: &str, quantity: i64) -> Cart {
    let request = AddLineRequest {
        sku: sku.to_owned(),
        quantity,
        currency_code: CURRENCY.into(),
        request_id: request_id(),
        ..AddLineRequest::default()
    };
    let added = insist(field, chance, "AddLine", false, async || {
        CartServiceClient::new(customer.channel()).add_line(customer.request(request.clone())).await
    });
    let added = added.await.unwrap_or_else(|status| panic!("{sku} is not added: {status}"));
    added.cart.expect("the cart")
}

async fn deliver(field: &Field, chance: &mut StdRng, customer: &Client, cart: &Cart, ships: bool) -> Cart {
    let shipping =
        || Choice::Shipping(ShippingChoice { address: Some(address()), shipping_method_id: METHOD.to_owned() });
    let request = SetDeliveryRequest {
        cart_id: String::new(),
        expected_version: cart.version,
        request_id: request_id(),
        choice: Some(if ships { shipping() } else { pickup(STORE) }),
    };
    let chosen = insist(field, chance, "SetDelivery", false, async || {
        CartServiceClient::new(customer.channel()).set_delivery(customer.request(request.clone())).await
    });
    let chosen = chosen.await.unwrap_or_else(|status| panic!("the delivery is not chosen: {status}"));
    chosen.cart.expect("the cart")
}

/// What becomes of an order. What the mesh refuses stays as it is.
async fn follow(field: &Field, chance: &mut StdRng, customer: &Client, order: &Order, ships: bool) -> Fate {
    match chance.random_range(0..FATES) {
        0 => {
            let request = CancelOrderRequest {
                order_id: order.order_id.clone(),
                reason: "changed my mind".into(),
                expected_version: 0,
                request_id: request_id(),
            };
            let cancelled = insist(field, chance, "CancelOrder", false, async || {
                OrderServiceClient::new(customer.channel()).cancel_order(customer.request(request.clone())).await
            });
            match cancelled.await {
                Ok(_) => Fate::Cancelled,
                Err(status) => {
                    field.tally.surprise("CancelOrder", &status);
                    Fate::Placed
                }
            }
        }
        1 if ships => match ship(field, chance, order).await {
            Ok(()) => Fate::Shipped,
            Err(status) => {
                field.tally.surprise("shipping", &status);
                Fate::Placed
            }
        },
        _ => Fate::Placed,
    }
}

async fn ship(field: &Field, chance: &mut StdRng, order: &Order) -> Result<(), Status> {
    let admin = &field.admin;
    let payment = captured(order);
    insist(field, chance, "RecordPayment", false, async || {
        PaymentServiceClient::new(admin.channel()).record_payment(admin.request(payment.clone())).await
    })
    .await?;
    for group in &order.groups {
        let group = || {
            let (order_id, group_id) = (order.order_id.clone(), group.group_id.clone());
            Some(GroupRef { order_id, group_id, expected_version: 0, request_id: request_id() })
        };
        let accept = AcceptRequest { group: group() };
        insist(field, chance, "Accept", false, async || {
            FulfillmentServiceClient::new(admin.channel()).accept(admin.request(accept.clone())).await
        })
        .await?;
        let pack = PackRequest { group: group(), short_lines: Vec::new() };
        insist(field, chance, "Pack", false, async || {
            FulfillmentServiceClient::new(admin.channel()).pack(admin.request(pack.clone())).await
        })
        .await?;
        let ship = ShipRequest { group: group(), carrier: "Carrier".into(), tracking_number: "T-1".into() };
        insist(field, chance, "Ship", false, async || {
            FulfillmentServiceClient::new(admin.channel()).ship(admin.request(ship.clone())).await
        })
        .await?;
    }
    Ok(())
}

/// Makes pairs of profiles one meanwhile: what every service hears of.
pub(super) async fn merge(field: &Field) {
    let mut chance = field.chance(u64::MAX);
    let mut next = 0;
    while !field.is_over() {
        if field.done() < next {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        next = field.done() + MERGE_EVERY;
        if let Err(status) = merge_two(field, &mut chance).await {
            field.tally.surprise("merging", &status);
        }
    }
}

async fn merge_two(field: &Field, chance: &mut StdRng) -> Result<(), Status> {
    let admin = &field.admin;
    let mut two = Vec::new();
    for _ in 0..2 {
        let name = uuid_v7(Clock::System.now()).simple().to_string();
        let request = RecordAssertionsRequest {
            channel: Channel::CallCenter.into(),
            customer_ref: name.clone(),
            claims: Some(Claims { emails: vec![format!("{name}@example.com")], ..Claims::default() }),
            request_id: request_id(),
            ..RecordAssertionsRequest::default()
        };
        let recorded = insist(field, chance, "RecordAssertions", false, async || {
            ProfileServiceClient::new(admin.channel()).record_assertions(admin.request(request.clone())).await
        });
        two.push(recorded.await?.recorded_profile_id);
    }
    let request = MergeProfilesRequest {
        profile_id: two[0].clone(),
        other_profile_id: two[1].clone(),
        reason: "one person".into(),
        override_veto: false,
        request_id: request_id(),
    };
    let merged = insist(field, chance, "MergeProfiles", false, async || {
        ProfileServiceClient::new(admin.channel()).merge_profiles(admin.request(request.clone())).await
    });
    match merged.await {
        Ok(_) => {}
        Err(status) if status.code() == Code::AlreadyExists => {}
        Err(status) => return Err(status),
    }
    field.ledger.lock().unwrap().merged.push((two[0].clone(), two[1].clone()));
    Ok(())
}
