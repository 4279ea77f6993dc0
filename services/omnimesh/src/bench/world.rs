//! What the measured mesh holds: goods, shoppers with carts, customers with orders. All of it is made by RPCs.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use omnimesh_proto::{
    carts::v1::{Cart, SetDeliveryRequest, cart_service_client::CartServiceClient},
    catalog::v1::{
        ImportOutcome, ImportProductsRequest, Price, Product, SetStockRequest,
        catalog_service_client::CatalogServiceClient, stock_service_client::StockServiceClient,
    },
    common::v1::{Channel, Contact, DeviceClass, Money, contact},
    orders::v1::{PaymentMethod, PlaceOrderRequest, order_service_client::OrderServiceClient},
};
use prost::Message as _;
use tonic::{Code, Status, transport};

use super::{
    mesh::Mesh,
    raw::{Authorization, connect},
    workload::{Ready, Workload},
};
use crate::{
    client::Client,
    demo,
    tour::{
        device::{Device, Teller, request_id},
        scene::Scene,
        ship,
    },
};

/// Connections of all callers together.
const CONNECTIONS: usize = 4;
/// Goods to sell.
const GOODS: usize = 200;
/// Lines of a cart.
const LINES: usize = 3;
/// Customers to look at.
const CUSTOMERS: usize = 32;
/// How much is prepared at the same time.
const AT_ONCE: usize = 8;
/// How often something is tried that a busy mesh refuses, or that waits for an event.
const TRIES: u32 = 15;

/// What calls are made with.
pub(super) struct World {
    pub(super) admin: Authorization,
    pub(super) shoppers: Vec<Authorization>,
    pub(super) cart_skus: Vec<String>,
    /// Profile ids.
    pub(super) customers: Vec<String>,
    client: Client,
    channels: Vec<transport::Channel>,
    scene: Scene,
    placed: AtomicUsize,
}

impl World {
    /// Makes what these workloads need, for so many callers at the most.
    pub(super) async fn make(mesh: &Mesh, workloads: &[Workload], callers: usize, bar: &ProgressBar) -> Result<Self> {
        let client = mesh.client().await?;
        bar.set_message("loading goods");
        patiently(|| demo::load(&client)).await?;
        patiently(|| goods(&client)).await?;
        let admin = authorization(&client)?;
        let channels = connect(&mesh.url(), CONNECTIONS).await?;
        let cart_skus = (0..LINES).map(sku).collect();
        let mut world = Self {
            admin,
            shoppers: Vec::new(),
            cart_skus,
            customers: Vec::new(),
            client,
            channels,
            scene: Scene::choose()?,
            placed: AtomicUsize::new(0),
        };
        let needs = |these: &[Workload]| workloads.iter().any(|workload| these.contains(workload));
        if needs(&[Workload::AddLine, Workload::GetCart, Workload::GetSession]) {
            bar.set_message("filling carts");
            world.shoppers = all(callers.max(64), |_| world.shopper()).await?;
        }
        if needs(&[Workload::GetCustomerView]) {
            bar.set_message("making customers");
            world.customers = all(CUSTOMERS, |number| world.customer(number)).await?;
        }
        Ok(world)
    }

    /// The connection of a caller.
    pub(super) fn channel(&self, caller: usize) -> transport::Channel {
        self.channels.get(caller % self.channels.len().max(1)).cloned().unwrap_or_else(|| self.client.channel())
    }

    /// Makes carts that are ready to be ordered.
    pub(super) async fn carts_to_order(&self, ready: &Ready, count: usize) -> Result<()> {
        let made = all(count, |_| async {
            let device = self.start().await?;
            self.fill(&device, self.placed.fetch_add(LINES, Ordering::Relaxed)).await?;
            let request = self.order(&device).await?;
            Ok((authorization(&device.client)?, request.encode_to_vec().into()))
        });
        let made: Vec<_> = made.await?;
        ready.lock().map_err(|_| anyhow::anyhow!("a caller panicked"))?.extend(made);
        Ok(())
    }

    async fn start(&self) -> Result<Device> {
        let mut nobody = std::io::sink();
        Device::start(&self.client, Channel::Web, DeviceClass::Desktop, &mut Teller::new(&mut nobody)).await
    }

    async fn fill(&self, device: &Device, from: usize) -> Result<()> {
        let mut nobody = std::io::sink();
        for place in from..from + LINES {
            device.add(&sku(place), 1, &mut Teller::new(&mut nobody)).await?;
        }
        Ok(())
    }

    async fn shopper(&self) -> Result<Authorization> {
        let device = self.start().await?;
        self.fill(&device, 0).await?;
        authorization(&device.client)
    }

    /// A known customer, with an order and a cart.
    async fn customer(&self, number: usize) -> Result<String> {
        let mut device = self.start().await?;
        let mut nobody = std::io::sink();
        let email = format!("bench-{number}-{}@example.com", request_id());
        device.identify(&self.client, &email, &mut Teller::new(&mut nobody)).await?;
        self.fill(&device, number).await?;
        let request = self.order(&device).await?;
        OrderServiceClient::new(device.client.channel()).place_order(device.client.request(request)).await?;
        // The ordered cart is out of the way once carts have heard of the order.
        patiently(|| self.fill(&device, number + 1)).await?;
        Ok(device.session.profile_id)
    }

    /// What places the order of the device's cart, to be shipped.
    async fn order(&self, device: &Device) -> Result<PlaceOrderRequest> {
        let mut carts = CartServiceClient::new(device.client.channel());
        let cart: Cart = {
            let request = device.client.request(omnimesh_proto::carts::v1::GetCartRequest::default());
            carts.get_cart(request).await?.into_inner().cart.context("an answer without the cart")?
        };
        let request = SetDeliveryRequest {
            cart_id: cart.cart_id,
            expected_version: cart.version,
            request_id: request_id(),
            choice: Some(ship(&self.scene)),
        };
        let response = carts.set_delivery(device.client.request(request)).await?.into_inner();
        let cart = response.cart.context("an answer without the cart")?;
        let totals = cart.totals.context("a cart without totals")?;
        Ok(PlaceOrderRequest {
            cart_id: cart.cart_id,
            cart_version: cart.version,
            expected_total: totals.total,
            contact: Some(Contact {
                value: Some(contact::Value::Email(format!("guest-{}@example.com", request_id()))),
            }),
            payment_method: PaymentMethod::Online.into(),
            request_id: request_id(),
        })
    }
}

/// Makes so many, several at a time.
async fn all<T, F: Future<Output = Result<T>>>(count: usize, make: impl Fn(usize) -> F) -> Result<Vec<T>> {
    let make = &make;
    let made = (0..count).map(|number| patiently(move || make(number)));
    stream::iter(made).buffer_unordered(AT_ONCE).try_collect().await
}

/// Again and again while the mesh says that it has too much to do: making ready is not what is measured.
async fn patiently<T, F: Future<Output = Result<T>>>(make: impl Fn() -> F) -> Result<T> {
    let mut tries = 0;
    loop {
        match make().await {
            Err(error) if tries < TRIES && is_busy(&error) => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(100) * tries).await;
            }
            done => return done,
        }
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    let busy = [Code::ResourceExhausted, Code::Unavailable, Code::Aborted, Code::FailedPrecondition];
    error.downcast_ref::<Status>().is_some_and(|status| busy.contains(&status.code()))
}

fn authorization(client: &Client) -> Result<Authorization> {
    client.request(()).metadata().get("authorization").cloned().context("a client without a key")
}

fn sku(number: usize) -> String {
    format!("BENCH-{:03}", number % GOODS)
}

/// Goods of which there is more than a bench can sell.
async fn goods(client: &Client) -> Result<()> {
    let products = (0..GOODS).map(|number| {
        let units = i64::try_from(number % 90 + 10).unwrap_or(10);
        let amount = Some(Money { currency_code: "TRY".into(), units, nanos: 900_000_000 });
        let product = Product {
            sku: sku(number),
            name: format!("Ware {number}"),
            description: "Something to be measured with".into(),
            tax_category: "standard".into(),
            prices: vec![Price { amount, ..Price::default() }],
            ..Product::default()
        };
        ImportProductsRequest { product: Some(product) }
    });
    let products: Vec<_> = products.collect();
    let mut catalog = CatalogServiceClient::new(client.channel());
    let mut answers = catalog.import_products(client.request(tokio_stream::iter(products))).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        ensure!(answer.outcome() != ImportOutcome::Refused, "product {}: {}", answer.sku, answer.refusal);
    }
    let stocked = all(GOODS, |number| async move {
        let request = SetStockRequest {
            sku: sku(number),
            location_id: omnimesh_catalog::demo::WAREHOUSE.into(),
            on_hand: 1_000_000_000,
            request_id: request_id(),
            ..SetStockRequest::default()
        };
        StockServiceClient::new(client.channel()).set_stock(client.request(request)).await?;
        Ok(())
    });
    stocked.await.map(drop)
}
