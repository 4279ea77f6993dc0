//! A request that is repeated has one effect, however often and however fast.

use futures::future::join_all;
use omnimesh_proto::{
    carts::v1::{AddLineRequest, Cart},
    common::v1::Channel,
    orders::v1::ListOrdersRequest,
};
use omnimesh_tests::{
    Device, Mesh, Mode, Setup,
    customer::{CURRENCY, address, request_id, shipping},
    raw::Refusal,
};
use tonic::{Code, Response};

use crate::{demo::TEA, in_every_mode};

const AT_ONCE: usize = 8;

in_every_mode!(a_repeated_request_has_one_effect);

async fn a_repeated_request_has_one_effect(mode: Mode) {
    // As many connections as there are in earnest: the calls do meet.
    let mesh = Mesh::start_with(Setup::new(mode).variable("OMNIMESH_STORE__MAX_CONNECTIONS", "16")).await;
    let device = Device::start(&mesh, Channel::Web).await;
    let request = AddLineRequest {
        sku: TEA.into(),
        quantity: 2,
        currency_code: CURRENCY.into(),
        request_id: request_id(),
        ..AddLineRequest::default()
    };

    let answers = join_all((0..AT_ONCE).map(|_| add(&device, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("each call is answered")).collect();
    let carts: Vec<_> = answers.iter().map(|answer| (&answer.get_ref().cart_id, answer.get_ref().version)).collect();
    assert!(carts.iter().all(|cart| *cart == carts[0]), "one answer for all: {carts:?}");
    let replayed = answers.iter().filter(|answer| answer.metadata().contains_key("omnimesh-replayed")).count();
    assert_eq!(replayed, AT_ONCE - 1, "all but one are marked as replayed");
    assert_eq!(quantity(&device.cart().await.unwrap()), 2);

    let other = AddLineRequest { quantity: 3, ..request };
    let refused = Refusal::from(add(&device, other).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
    assert_eq!(quantity(&device.cart().await.unwrap()), 2);

    one_order_is_placed(&device).await;
    mesh.assert_no_defect();
}

/// The same over a use case that spans services.
async fn one_order_is_placed(device: &Device) {
    let cart = device.deliver(shipping(device, address()).await).await;
    let request = Device::order_of(&cart, "guest@example.com");
    let orders = join_all((0..AT_ONCE).map(|_| device.place(request.clone()))).await;
    let numbers: Vec<_> = orders.into_iter().map(|order| order.unwrap().into_inner().number).collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]), "one order: {numbers:?}");
    let list = device.orders().list_orders(device.client.request(ListOrdersRequest::default())).await;
    assert_eq!(list.unwrap().into_inner().orders.len(), 1);
}

async fn add(device: &Device, request: AddLineRequest) -> Result<Response<Cart>, tonic::Status> {
    let added = device.carts().add_line(device.client.request(request)).await?;
    Ok(added.map(|added| added.cart.unwrap()))
}

fn quantity(cart: &Cart) -> i64 {
    cart.lines.iter().map(|line| line.quantity).sum()
}
