//! Sessions live through identification, an empty Redis and a restart; dead tokens stay dead.

use omnimesh_proto::sessions::v1::session_service_client::SessionServiceClient;
use omnimesh_proto::{
    common::v1::Channel,
    orders::v1::{GetOrderRequest, get_order_request::Key},
    sessions::v1::{EndSessionRequest, GetSessionRequest, Session, SessionLevel},
};
use omnimesh_tests::{Client, Device, Mesh, Mode, customer::pickup, raw::Refusal};
use tonic::Code;

use crate::{
    demo::{GLASSES, ISTANBUL, TEA},
    in_every_mode,
};

const EMAIL: &str = "deniz@example.com";

in_every_mode!(identification_keeps_the_cart_and_changes_the_token);

async fn identification_keeps_the_cart_and_changes_the_token(mode: Mode) {
    let mesh = Mesh::start(mode).await;
    let mut device = Device::start(&mesh, Channel::Web).await;
    let guest = device.session.clone();
    assert_eq!((guest.level(), guest.profile_id.as_str()), (SessionLevel::Guest, ""));
    let cart = device.add(TEA, 2).await;
    let old = device.identify(&mesh, EMAIL).await;
    assert_eq!(device.session.session_id, guest.session_id, "one session all along");
    assert_eq!(device.cart().await.unwrap().lines, cart.lines, "the guest's lines are there");

    assert_ne!(old, device.token);
    let dead = session(&mesh.client(&old).await).await.unwrap_err();
    assert_eq!(dead.code, Code::Unauthenticated, "the old token: {dead:?}");
    assert_eq!(session(&device.client).await.unwrap().profile_id, device.session.profile_id);

    let ended = EndSessionRequest { session_id: String::new() };
    device.sessions().end_session(device.client.request(ended)).await.unwrap();
    let dead = session(&device.client).await.unwrap_err();
    assert_eq!((dead.code, dead.reason.as_str()), (Code::Unauthenticated, "SESSION_EXPIRED"), "an ended session");
    mesh.assert_no_defect();
}

#[tokio::test]
async fn an_empty_redis_logs_nobody_out_in_one_process() {
    an_empty_redis_logs_nobody_out(Mode::Stores).await;
}

#[tokio::test]
async fn an_empty_redis_logs_nobody_out_of_many_processes() {
    an_empty_redis_logs_nobody_out(Mode::Split).await;
}

async fn an_empty_redis_logs_nobody_out(mode: Mode) {
    let mesh = Mesh::start(mode).await;
    let guest = Device::start(&mesh, Channel::Web).await;
    guest.add(TEA, 1).await;
    let mut customer = Device::start(&mesh, Channel::App).await;
    customer.add(GLASSES, 2).await;
    let old = customer.identify(&mesh, EMAIL).await;
    let before = (session(&guest.client).await.unwrap(), session(&customer.client).await.unwrap());

    mesh.flush_redis().await;
    assert_eq!((session(&guest.client).await.unwrap(), session(&customer.client).await.unwrap()), before);
    assert_eq!(guest.cart().await.unwrap().lines.len(), 1);
    assert_eq!(customer.cart().await.unwrap().lines.len(), 1);
    assert_eq!(session(&mesh.client(&old).await).await.unwrap_err().code, Code::Unauthenticated, "dead stays dead");

    // Events find their way too, although the streams they were on are gone: one of them closes the cart.
    let cart = customer.deliver(pickup(ISTANBUL)).await;
    let order = customer.order(Device::order_of(&cart, EMAIL)).await;
    assert_eq!(order.cart_id, cart.cart_id);
    mesh.assert_no_defect();
}

in_every_mode!(a_restart_keeps_sessions_carts_and_orders);

async fn a_restart_keeps_sessions_carts_and_orders(mode: Mode) {
    let mut mesh = Mesh::start(mode).await;
    let mut guest = Device::start(&mesh, Channel::Web).await;
    let guest_cart = guest.add(TEA, 1).await;
    let mut customer = Device::start(&mesh, Channel::App).await;
    customer.identify(&mesh, EMAIL).await;
    customer.add(GLASSES, 2).await;
    let cart = customer.deliver(pickup(ISTANBUL)).await;
    let order = customer.order(Device::order_of(&cart, EMAIL)).await;
    let next_cart = customer.add(TEA, 3).await;

    // In order, and as a power cut.
    mesh.stop().await;
    mesh.resume().await;
    mesh.kill();
    mesh.resume().await;

    for device in [&mut guest, &mut customer] {
        device.reconnect(&mesh).await;
    }
    assert_eq!(session(&guest.client).await.unwrap().session_id, guest.session.session_id);
    assert_eq!(guest.cart().await.unwrap().lines, guest_cart.lines);
    assert_eq!(customer.cart().await.unwrap().lines, next_cart.lines);
    let request = GetOrderRequest { key: Some(Key::OrderId(order.order_id.clone())) };
    let kept = customer.orders().get_order(customer.client.request(request)).await.unwrap().into_inner().order.unwrap();
    assert_eq!((&kept.number, &kept.lines, &kept.totals), (&order.number, &order.lines, &order.totals));
    mesh.assert_no_defect();
}

async fn session(client: &Client) -> Result<Session, Refusal> {
    let mut sessions = SessionServiceClient::new(client.channel());
    let answer = sessions.get_session(client.request(GetSessionRequest {})).await?;
    Ok(answer.into_inner().session.unwrap())
}
