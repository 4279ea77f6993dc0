//! A marketplace's orders come into the order book once each, are taken on and shipped there once each, whatever dies in between.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use omnimesh_proto::{
    catalog::v1::{
        ImportProductsRequest, Price, Product, SetStockRequest, catalog_service_client::CatalogServiceClient,
        stock_service_client::StockServiceClient,
    },
    channels::v1::{
        GetAccountRequest, GetAccountResponse, GetOrderSyncRequest, channel_service_client::ChannelServiceClient,
    },
    common::v1::Money,
    orders::v1::{
        AcceptRequest, FulfillmentState, GroupRef, ListOrdersRequest, Order, OrderFilter, PackRequest, ShipRequest,
        fulfillment_service_client::FulfillmentServiceClient, order_service_client::OrderServiceClient,
    },
};
use omnimesh_tests::{Client, Mesh, Mode, Setup, customer::request_id, sandbox::Sandbox};
use serde_json::json;

/// What the stand-in sells.
const GOODS: [&str; 3] = ["ÇAY-BARDAĞI-6", "YAĞMURLUK-M", "DEFTER-A5"];
/// An action whose sender died is in doubt after a minute, and settled by a pull after that.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn orders_come_once_and_are_acknowledged_and_shipped_whatever_dies() {
    let settings = "[channels]\npull_seconds = 1\nsettle_seconds = 1\n";
    let setup = Setup::new(Mode::Split).settings(settings).connector("trendyol");
    let mut mesh = Mesh::start_with(setup).await;
    let sandbox = Sandbox::start(mesh.folder()).await;
    let admin = mesh.admin().await;
    stock(&admin).await;
    let mut placed = vec![sandbox.place().await, sandbox.place().await];
    let account = add(&mesh, &sandbox).await;
    for id in &placed {
        is_in_state(&sandbox, id, "Picking").await;
    }

    // Channels dies while orders come in, the vendor is slow and fails, and shipments go out.
    for round in 0..3 {
        sandbox
            .fail(
                &json!([{"fault": {"throttle": {"retry_after": 1}}, "times": 2}, {"fault": "error_after", "times": 1}]),
            )
            .await;
        placed.extend([sandbox.place().await, sandbox.place().await]);
        if round % 2 == 0 {
            book(&admin, &account, placed.len() - 1).await;
        }
        mesh.crash("channels");
        let known = orders(&admin, &account).await;
        for order in
            known.values().filter(|order| order.groups.iter().all(|group| group.state() == FulfillmentState::Open))
        {
            ship(&admin, order).await;
        }
        mesh.revive("channels").await;
    }
    let known = book(&admin, &account, placed.len()).await;
    let shipped: Vec<_> = known.iter().filter(|(_, order)| is_shipped(order)).map(|(id, _)| id.clone()).collect();
    assert!(shipped.len() >= 2, "{shipped:?}");
    for id in &placed {
        is_in_state(&sandbox, id, if shipped.contains(id) { "Invoiced" } else { "Picking" }).await;
    }
    wait("everything is confirmed", async || (open_actions(&admin, &account).await == 0).then_some(())).await;
    let known = orders(&admin, &account).await;
    let mut expected = placed.clone();
    expected.sort_unstable();
    assert_eq!(known.keys().cloned().collect::<Vec<_>>(), expected, "each order stands exactly once");
    assert_eq!(sandbox.packages().await.len(), placed.len(), "none was split or cancelled");
    let mut channels = ChannelServiceClient::new(admin.channel());
    for (id, order) in &known {
        let request = admin.request(GetOrderSyncRequest { order_id: order.order_id.clone() });
        let told = channels.get_order_sync(request).await.unwrap().into_inner();
        let states: Vec<_> =
            told.actions.iter().map(|action| (action.kind().as_str_name(), action.state().as_str_name())).collect();
        let mut all = vec![("ACTION_KIND_ACKNOWLEDGE", "ACTION_STATE_CONFIRMED")];
        if is_shipped(order) {
            all.push(("ACTION_KIND_SHIP", "ACTION_STATE_CONFIRMED"));
        }
        assert_eq!(states, all, "{id}: {:?}", told.actions);
    }
    the_command_line_shows_it(&mesh, &account, known.values().next().unwrap()).await;
    mesh.assert_no_defect();
}

async fn the_command_line_shows_it(mesh: &Mesh, account: &str, order: &Order) {
    let checked = mesh.run(&["channel", "check", account]).await;
    assert_eq!(String::from_utf8_lossy(&checked.stdout).trim(), "ok");
    let status = mesh.run(&["channel", "status"]).await;
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains(account) && text.contains("0 pending, 0 in doubt, 0 overdue; 0 dead letters"), "{text}");
    let status = mesh.run(&["channel", "status", &order.order_id]).await;
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains("acknowledge  confirmed"), "{text}");
    let unknown = mesh.run(&["channel", "replay", "dead_01k00000000000000000000000"]).await;
    assert!(!unknown.status.success());
    for line in mesh.log() {
        assert!(!line.contains("sandbox-api-secret"), "{line}");
    }
}

/// Enough of what the stand-in sells.
async fn stock(admin: &Client) {
    let product = |sku: &&str| Product {
        sku: (*sku).to_owned(),
        name: (*sku).to_owned(),
        tax_category: "standard".to_owned(),
        prices: vec![Price {
            amount: Some(Money { currency_code: "TRY".to_owned(), units: 100, nanos: 0 }),
            ..Price::default()
        }],
        ..Product::default()
    };
    let products: Vec<_> = GOODS.iter().map(product).collect();
    let products = products.into_iter().map(|product| ImportProductsRequest { product: Some(product) });
    let mut catalog = CatalogServiceClient::new(admin.channel());
    let request = admin.request(futures::stream::iter(products.collect::<Vec<_>>()));
    let mut answers = catalog.import_products(request).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.refusal, "");
    }
    for sku in GOODS {
        let request = SetStockRequest {
            sku: sku.to_owned(),
            location_id: "gebze-warehouse".to_owned(),
            on_hand: 1_000,
            safety: Some(0),
            request_id: request_id(),
            ..SetStockRequest::default()
        };
        StockServiceClient::new(admin.channel()).set_stock(admin.request(request)).await.unwrap();
    }
}

/// The account, added as the stand-in says.
async fn add(mesh: &Mesh, sandbox: &Sandbox) -> String {
    let account = sandbox.account();
    let args: Vec<_> = account.iter().map(String::as_str).collect();
    let added = mesh.run(&args).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    String::from_utf8_lossy(&added.stdout).trim().to_owned()
}

/// The account's orders, by their ids at the marketplace.
async fn orders(admin: &Client, account: &str) -> BTreeMap<String, Order> {
    let filter = OrderFilter { account_id: account.to_owned(), ..OrderFilter::default() };
    let request = ListOrdersRequest { filter: Some(filter), page_size: 100, page_token: String::new() };
    let listed = OrderServiceClient::new(admin.channel()).list_orders(admin.request(request)).await.unwrap();
    let mut by_id = BTreeMap::new();
    for order in listed.into_inner().orders {
        let id = order.source.as_ref().unwrap().channel_order_id.clone();
        assert!(by_id.insert(id, order).is_none(), "an order stands twice");
    }
    by_id
}

/// The orders, once there are so many and each has a place that fulfils it.
async fn book(admin: &Client, account: &str, count: usize) -> BTreeMap<String, Order> {
    wait("the orders are in the book", async || {
        let known = orders(admin, account).await;
        let ready = known.values().all(|order| !order.groups.is_empty());
        (known.len() >= count && ready).then_some(known)
    })
    .await
}

async fn ship(admin: &Client, order: &Order) {
    let mut fulfilment = FulfillmentServiceClient::new(admin.channel());
    for group in &order.groups {
        let group = || {
            Some(GroupRef {
                order_id: order.order_id.clone(),
                group_id: group.group_id.clone(),
                request_id: request_id(),
                ..GroupRef::default()
            })
        };
        fulfilment.accept(admin.request(AcceptRequest { group: group() })).await.unwrap();
        fulfilment.pack(admin.request(PackRequest { group: group(), short_lines: Vec::new() })).await.unwrap();
        let ship = ShipRequest { group: group(), carrier: "Trendyol Express".into(), tracking_number: "1".into() };
        fulfilment.ship(admin.request(ship)).await.unwrap();
    }
}

fn is_shipped(order: &Order) -> bool {
    !order.groups.is_empty() && order.groups.iter().all(|group| group.state() == FulfillmentState::Shipped)
}

async fn is_in_state(sandbox: &Sandbox, id: &str, state: &str) {
    wait(&format!("{id} is {state}"), async || {
        let packages = sandbox.packages().await;
        packages.iter().any(|(package, now)| package == id && now == state).then_some(())
    })
    .await;
}

/// Actions that are not over. None needs a person.
async fn open_actions(admin: &Client, account: &str) -> i64 {
    let request = admin.request(GetAccountRequest { account_id: account.to_owned() });
    let answer = ChannelServiceClient::new(admin.channel()).get_account(request).await.unwrap();
    let GetAccountResponse { account } = answer.into_inner();
    let sync = account.unwrap().sync.unwrap();
    assert_eq!(sync.dead_letters, 0, "{sync:?}");
    sync.pending_actions + sync.actions_in_doubt
}

async fn wait<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
