//! Each process of a mesh with two of each kind is told to stop in turn, while customers go on: nobody notices.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use omnimesh_kit::{lifecycle::Lifecycle, links::Balanced};
use omnimesh_proto::{
    carts::v1::{
        AddLineRequest, Cart, GetCartRequest, SetDeliveryRequest, ShippingChoice,
        cart_service_client::CartServiceClient, set_delivery_request::Choice,
    },
    catalog::v1::{SetStockRequest, stock_service_client::StockServiceClient},
    common::v1::{Channel, DeviceClass},
    orders::v1::{ListOrdersRequest, order_service_client::OrderServiceClient},
    sessions::v1::{GetSessionRequest, StartSessionRequest, session_service_client::SessionServiceClient},
};
use omnimesh_tests::{
    Device, Mesh, Mode, Setup,
    customer::{CURRENCY, address, request_id},
    eventually,
    mesh::TARGETS,
};
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

use crate::demo::TEA;

const CUSTOMERS: usize = 6;
/// Calls that must have been answered since before the next process is told to stop.
const BETWEEN: usize = 60;

#[derive(Clone)]
struct Customers {
    gateways: Balanced,
    key: String,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Customers {
    fn request<T>(credential: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().unwrap());
        request
    }

    /// The answer of a call, made once.
    async fn ask<T>(&self, what: &str, call: impl Future<Output = Result<Response<T>, Status>>) -> Option<T> {
        match call.await {
            Ok(answer) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                Some(answer.into_inner())
            }
            Err(status) => {
                self.failed.lock().unwrap().push(format!("{what}: {status:?}"));
                None
            }
        }
    }

    async fn shop(self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.buy().await;
        }
    }

    async fn buy(&self) -> Option<()> {
        let mut carts = CartServiceClient::new(self.gateways.clone());
        let mut orders = OrderServiceClient::new(self.gateways.clone());
        let mut sessions = SessionServiceClient::new(self.gateways.clone());
        let start = StartSessionRequest {
            channel: Channel::Web.into(),
            device_class: DeviceClass::Mobile.into(),
            locale: "tr-TR".into(),
            location_id: String::new(),
        };
        let token = self.ask("StartSession", sessions.start_session(Self::request(&self.key, start))).await?.token;
        let mut cart = Cart::default();
        for _ in 0..2 {
            let add = AddLineRequest {
                sku: TEA.into(),
                quantity: 1,
                currency_code: CURRENCY.into(),
                request_id: request_id(),
                ..AddLineRequest::default()
            };
            let added = self.ask("AddLine", carts.add_line(Self::request(&token, add))).await?;
            cart = added.cart.unwrap();
        }
        let own = sessions.get_session(Self::request(&token, GetSessionRequest {}));
        self.ask("GetSession", own).await?;
        let shipping = ShippingChoice { address: Some(address()), shipping_method_id: "standard".into() };
        let deliver = SetDeliveryRequest {
            cart_id: String::new(),
            expected_version: cart.version,
            request_id: request_id(),
            choice: Some(Choice::Shipping(shipping)),
        };
        self.ask("SetDelivery", carts.set_delivery(Self::request(&token, deliver))).await?;
        let seen = carts.get_cart(Self::request(&token, GetCartRequest::default()));
        let cart = self.ask("GetCart", seen).await?.cart.unwrap();
        let place = Device::order_of(&cart, "buyer@example.com");
        let placed = self.ask("PlaceOrder", orders.place_order(Self::request(&token, place))).await?;
        let listed = orders.list_orders(Self::request(&token, ListOrdersRequest::default()));
        let listed = self.ask("ListOrders", listed).await?.orders;
        assert_eq!(listed.len(), 1, "the order {:?} is the only one", placed.order);
        Some(())
    }

    /// As many calls more are answered as show that all goes on.
    async fn go_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("customers go on", async || {
            (self.answered.load(Ordering::Relaxed) >= before + BETWEEN).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_every_process_is_told_to_stop_in_turn() {
    let mut mesh = Mesh::start_with(Setup::new(Mode::Split).replicas(2)).await;
    plenty(&mesh).await;
    let lifecycle = Lifecycle::new();
    let gateways = mesh.urls().iter().map(|url| url.parse().unwrap()).collect();
    let customers = Customers {
        gateways: Balanced::new("gateway", gateways, None, &lifecycle),
        key: mesh.publishable_key(),
        stop: Arc::default(),
        answered: Arc::default(),
        failed: Arc::default(),
    };
    let mut shopping = JoinSet::new();
    for _ in 0..CUSTOMERS {
        shopping.spawn(customers.clone().shop());
    }
    customers.go_on().await;
    for target in TARGETS {
        mesh.restart(target, 0).await;
        customers.go_on().await;
    }
    // Those that were there before go as well: whoever came back must have been found.
    for target in ["carts", "gateway"] {
        mesh.restart(target, 1).await;
        customers.go_on().await;
    }
    customers.stop.store(true, Ordering::Relaxed);
    shopping.join_all().await;
    let failed = std::mem::take(&mut *customers.failed.lock().unwrap());
    let answered = customers.answered.load(Ordering::Relaxed);
    assert!(failed.is_empty(), "{} of {} calls failed: {failed:#?}", failed.len(), answered + failed.len());
    lifecycle.shutdown(std::time::Duration::from_secs(5)).await;
    mesh.assert_no_defect();
}

async fn plenty(mesh: &Mesh) {
    let admin = mesh.admin().await;
    let request = SetStockRequest {
        sku: TEA.into(),
        location_id: "gebze-warehouse".into(),
        on_hand: 1_000_000,
        safety: Some(0),
        request_id: request_id(),
        ..SetStockRequest::default()
    };
    StockServiceClient::new(admin.channel()).set_stock(admin.request(request)).await.unwrap();
}
