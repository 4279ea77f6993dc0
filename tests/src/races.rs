//! Many buyers of few pieces, over several channels at once.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use omnimesh_proto::{
    carts::v1::{Cart, ShippingChoice, set_delivery_request::Choice},
    catalog::v1::{SetStockRequest, stock_service_client::StockServiceClient},
    common::v1::Channel,
    orders::v1::PlaceOrderRequest,
};
use sqlx::{Connection as _, PgConnection};
use tonic::{Code, Status};

use crate::{
    Client, Device, Mesh, Mode, Setup,
    customer::{address, pickup, request_id},
    raw::Refusal,
};

const SKU: &str = "TEAPOT-2L";
const STORE: &str = "istanbul-kadikoy";
const WAREHOUSE: &str = "gebze-warehouse";
/// Buyers to a connection.
const SHARED: usize = 100;
/// Calls at the same time while carts are filled.
const FILLING: usize = 16;

/// How many want how many pieces.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// Each wants one piece.
    pub buyers: usize,
    /// So many there are.
    pub pieces: i64,
    /// Orders that are placed at the same time.
    pub at_once: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Orders by channel.
    pub bought: BTreeMap<&'static str, usize>,
    /// Buyers who were told that nothing is left.
    pub refused: usize,
    /// Anything else that a buyer was told.
    pub other: Vec<String>,
    /// On hand, allocated and reserved at the end, over all places.
    pub stock: (i64, i64, i64),
    /// How long the orders took, all together.
    pub took: Duration,
}

impl Outcome {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self, race: Race) -> Vec<String> {
        let mut problems = self.other.clone();
        let bought: usize = self.bought.values().sum();
        if i64::try_from(bought) != Ok(race.pieces) {
            problems.push(format!("{bought} orders of {} pieces", race.pieces));
        }
        if bought + self.refused != race.buyers {
            problems.push(format!("{bought} bought and {} were refused, of {}", self.refused, race.buyers));
        }
        let (on_hand, allocated, reserved) = self.stock;
        if on_hand != race.pieces || allocated + reserved != race.pieces {
            problems.push(format!("stock at the end: {on_hand} on hand, {allocated} allocated, {reserved} reserved"));
        }
        if self.bought.len() < CHANNELS.len() {
            problems.push(format!("some channel got nothing: {:?}", self.bought));
        }
        problems
    }
}

const CHANNELS: [(&str, Channel); 3] = [("web", Channel::Web), ("app", Channel::App), ("kiosk", Channel::Kiosk)];

/// The mesh to run it on: with 16 connections to Postgres, and kiosks where people think long. Otherwise theirs would forget
/// the carts that were filled first before the last one is.
#[must_use]
pub fn setup() -> Setup {
    Setup::new(Mode::Stores)
        .variable("OMNIMESH_STORE__MAX_CONNECTIONS", "16")
        .variable("OMNIMESH_SESSIONS__SHARED_IDLE_SECONDS", "3600")
}

/// Fills a cart for each buyer, and then has all of them order at once.
pub async fn run(mesh: &Mesh, race: Race) -> Outcome {
    let admin = mesh.admin().await;
    // In two places, so that an order for anywhere has a choice and one that is collected has none.
    let at_store = race.pieces / 4;
    for (location, on_hand) in
        [(STORE, at_store), (WAREHOUSE, race.pieces - at_store), ("ankara-kizilay", 0), ("izmir-alsancak", 0)]
    {
        let request = SetStockRequest {
            sku: SKU.into(),
            location_id: location.into(),
            on_hand,
            safety: Some(0),
            request_id: request_id(),
            ..SetStockRequest::default()
        };
        StockServiceClient::new(admin.channel()).set_stock(admin.request(request)).await.expect("stock is set");
    }
    let mut connections = Vec::new();
    for _ in 0..race.buyers.div_ceil(SHARED) {
        connections.push(mesh.client(&mesh.publishable_key()).await);
    }
    let filled = stream::iter(0..race.buyers).map(|buyer| fill(&connections[buyer / SHARED], buyer));
    let ready: Vec<_> = filled.buffer_unordered(FILLING).collect().await;

    let mut outcome = Outcome::default();
    let start = std::time::Instant::now();
    let orders =
        stream::iter(ready).map(|(device, buyer, request)| async move { (buyer, place(&device, request).await) });
    let mut orders = std::pin::pin!(orders.buffer_unordered(race.at_once));
    while let Some((buyer, placed)) = orders.next().await {
        match placed.map_err(Refusal::from) {
            Ok(()) => *outcome.bought.entry(CHANNELS[buyer % CHANNELS.len()].0).or_default() += 1,
            Err(refusal) if refusal.reason == "OUT_OF_STOCK" => outcome.refused += 1,
            Err(refusal) => outcome.other.push(format!("{refusal:?}")),
        }
    }
    outcome.took = start.elapsed();
    outcome.stock = stock(mesh).await;
    outcome
}

async fn fill(connection: &Client, buyer: usize) -> (Device, usize, PlaceOrderRequest) {
    let (name, channel) = CHANNELS[buyer % CHANNELS.len()];
    let device = Device::join(connection, channel).await.expect("a session starts");
    device.add(SKU, 1).await;
    // Those at the kiosk take it home, the others have it sent.
    let choice = if name == "kiosk" { pickup(STORE) } else { shipping() };
    let cart: Cart = device.deliver(choice).await;
    let request = Device::order_of(&cart, "buyer@example.com");
    (device, buyer, request)
}

fn shipping() -> Choice {
    Choice::Shipping(ShippingChoice { address: Some(address()), shipping_method_id: "standard".into() })
}

/// Insists, as clients do, while the answer is to come again; the request id makes it one order.
async fn place(device: &Device, request: PlaceOrderRequest) -> Result<(), Status> {
    loop {
        match device.place(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(status) if matches!(status.code(), Code::Aborted | Code::ResourceExhausted) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(status) => return Err(status),
        }
    }
}

async fn stock(mesh: &Mesh) -> (i64, i64, i64) {
    let mut connection = PgConnection::connect(&mesh.database_url().expect("a mesh on Postgres")).await.unwrap();
    let sums =
        "SELECT SUM(on_hand)::bigint, SUM(allocated)::bigint, SUM(reserved)::bigint FROM catalog.stock WHERE sku = $1";
    sqlx::query_as(sums).bind(SKU).fetch_one(&mut connection).await.unwrap()
}
