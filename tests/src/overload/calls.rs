//! The calls of a busy day, one kind for each criticality.

use std::sync::atomic::{AtomicUsize, Ordering};

use omnimesh_proto::{
    carts::v1::{AddLineRequest, GetCartRequest},
    common::v1::Channel,
    orders::v1::{ExportOrdersRequest, OrderFilter, PlaceOrderRequest, order_service_client::OrderServiceClient},
};
use tonic::Status;

use crate::{
    Client, Device, Mesh,
    customer::{CURRENCY, pickup, request_id},
};

const SKUS: [&str; 3] = ["TEA-RIZE-500", "COFFEE-250", "SOAP-OLIVE-4"];
const STORE: &str = "istanbul-kadikoy";
/// Connections that the customers share.
const CONNECTIONS: usize = 8;
const CUSTOMERS: usize = 240;
const ORDERS: usize = 8;

/// What is called. In the order in which it is kept up under load: the first one longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// PlaceOrder of an order that there is already: a customer who asks again, because the answer was lost.
    Checkout,
    /// AddLine.
    Cart,
    /// GetCart.
    Read,
    /// ExportOrders, of none.
    Batch,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Checkout, Self::Cart, Self::Read, Self::Batch];

    /// Of every hundred calls so many are of this kind.
    #[must_use]
    pub fn share(self) -> usize {
        match self {
            Self::Checkout => 10,
            Self::Cart => 35,
            Self::Read => 50,
            Self::Batch => 5,
        }
    }

    /// The kind of a call by its number: they come mixed.
    #[must_use]
    pub fn of(number: usize) -> Self {
        // 37 has no factor in common with 100: each of a hundred is met once.
        let mut place = number.wrapping_mul(37) % 100;
        for kind in Self::ALL {
            if place < kind.share() {
                return kind;
            }
            place -= kind.share();
        }
        Self::Read
    }
}

/// Customers with carts and orders, and who exports.
#[derive(Debug)]
pub struct Calls {
    customers: Vec<Device>,
    orders: Vec<(Device, PlaceOrderRequest)>,
    admins: Vec<Client>,
    next: AtomicUsize,
}

impl Calls {
    /// Starts sessions, fills their carts and places some orders.
    pub async fn prepare(mesh: &Mesh) -> Self {
        let (mut connections, mut admins) = (Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            let connection = mesh.client(&mesh.publishable_key()).await;
            admins.push(connection.with_credential(&mesh.admin_key()).unwrap());
            connections.push(connection);
        }
        let (mut customers, mut orders) = (Vec::new(), Vec::new());
        for number in 0..CUSTOMERS + ORDERS {
            let device =
                Device::join(&connections[number % CONNECTIONS], Channel::Web).await.expect("a session starts");
            device.add(SKUS[number % SKUS.len()], 1).await;
            if number < CUSTOMERS {
                customers.push(device);
                continue;
            }
            let request = Device::order_of(&device.deliver(pickup(STORE)).await, "buyer@example.com");
            device.place(request.clone()).await.expect("an order is placed");
            orders.push((device, request));
        }
        Self { customers, orders, admins, next: AtomicUsize::new(0) }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// What the mesh answered.
    pub async fn call(&self, kind: Kind) -> Result<(), Status> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let customer = &self.customers[number % self.customers.len()];
        match kind {
            Kind::Checkout => {
                let (customer, request) = &self.orders[number % self.orders.len()];
                customer.place(request.clone()).await.map(drop)
            }
            Kind::Cart => {
                let request = AddLineRequest {
                    sku: SKUS[number / self.customers.len() % SKUS.len()].into(),
                    quantity: 1,
                    currency_code: CURRENCY.into(),
                    request_id: request_id(),
                    ..AddLineRequest::default()
                };
                customer.carts().add_line(customer.client.request(request)).await.map(drop)
            }
            Kind::Read => customer.carts().get_cart(customer.client.request(GetCartRequest::default())).await.map(drop),
            Kind::Batch => {
                let admin = &self.admins[number % self.admins.len()];
                let long_ago = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
                let filter = OrderFilter { end_time: long_ago, ..OrderFilter::default() };
                let request = admin.request(ExportOrdersRequest { filter: Some(filter) });
                let mut orders = OrderServiceClient::new(admin.channel()).export_orders(request).await?.into_inner();
                orders.message().await.map(drop)
            }
        }
    }
}
