//! Two partners beside each other, over the running mesh: each one's orders, watch and stock are its own, and a key that is
//! revoked hears nothing more.

use std::time::{Duration, Instant};

use omnimesh_proto::{
    catalog::v1::{
        AdjustStockRequest, GetAvailabilityRequest, Location, UpsertLocationRequest,
        location_service_client::LocationServiceClient, stock_service_client::StockServiceClient,
    },
    common::v1::{Address, Channel, Money},
    orders::v1::{
        AcceptRequest, DeliverRequest, DocumentKind, FulfillmentState, GetOrderRequest, GroupRef, ImportDocument,
        ImportMode, ImportOrdersRequest, ImportOutcome, ListOrderEventsRequest, ListOrdersRequest, OrderLine,
        PackRequest, ShipRequest, WatchOrdersRequest, WatchOrdersResponse,
        fulfillment_service_client::FulfillmentServiceClient, get_order_request::Key,
        order_service_client::OrderServiceClient,
    },
    sessions::v1::{ApiKeyKind, CreateApiKeyRequest, RevokeApiKeyRequest, api_key_service_client::ApiKeyServiceClient},
};
use omnimesh_tests::{Client, Mesh, Mode, customer::request_id, desk::create_key, eventually, raw::Refusal};
use tonic::{Code, Status, Streaming, transport::Channel as Connection};

use crate::{demo::TEA, in_every_mode};

const SCOPES: [&str; 4] = ["orders.import", "orders.read", "fulfillment.write", "stock.write"];

struct Partner {
    account: String,
    key_id: String,
    client: Client,
}

impl Partner {
    /// With a location of its own.
    async fn new(mesh: &Mesh, account: &str) -> Self {
        let admin = mesh.admin().await;
        let location = Location {
            location_id: format!("{account}-depot"),
            account_id: account.to_owned(),
            name: account.to_owned(),
            address: Some(Address { city: "Bursa".into(), country_code: "TR".into(), ..Address::default() }),
            time_zone: "Europe/Istanbul".into(),
            ..Location::default()
        };
        let request = UpsertLocationRequest { location: Some(location), request_id: request_id() };
        LocationServiceClient::new(admin.channel()).upsert_location(admin.request(request)).await.unwrap();
        let request = CreateApiKeyRequest {
            kind: ApiKeyKind::Partner.into(),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            channels: vec![Channel::Partner.into()],
            account_id: account.to_owned(),
            ..CreateApiKeyRequest::default()
        };
        let (key_id, secret) = create_key(mesh, request).await;
        Self { account: account.to_owned(), key_id, client: mesh.client(&secret).await }
    }

    fn orders(&self) -> OrderServiceClient<Connection> {
        OrderServiceClient::new(self.client.channel())
    }

    /// The order that document 1 becomes.
    async fn import(&self) -> String {
        let price = Money { currency_code: "TRY".into(), units: 150, nanos: 0 };
        let line = OrderLine { sku: TEA.into(), quantity: 1, unit_price: Some(price), ..OrderLine::default() };
        let document = ImportDocument {
            // Whatever it says, it is the key's account.
            account_id: "somebody-else".into(),
            channel_order_id: "1".into(),
            kind: DocumentKind::Sale.into(),
            mode: ImportMode::Live.into(),
            currency_code: "TRY".into(),
            place_time: Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 0 }),
            lines: vec![line],
            ..ImportDocument::default()
        };
        let request = self.client.request(tokio_stream::once(ImportOrdersRequest { document: Some(document) }));
        let mut answers = self.orders().import_orders(request).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.outcome(), ImportOutcome::Created, "{answer:?}");
        answer.order_id
    }

    async fn watch(&self, resume_token: &str) -> Result<Streaming<WatchOrdersResponse>, Status> {
        let request = WatchOrdersRequest { filter: None, resume_token: resume_token.to_owned() };
        Ok(self.orders().watch_orders(self.client.request(request)).await?.into_inner())
    }

    async fn accept(&self, order_id: &str, request_id: &str) -> Result<String, Status> {
        let request = self.client.request(AcceptRequest { group: group(order_id, request_id) });
        let mut groups = FulfillmentServiceClient::new(self.client.channel());
        Ok(groups.accept(request).await?.into_inner().order.unwrap().order_id)
    }

    async fn adjust(&self, account: &str, delta: i64, request_id: &str) -> Result<i64, Status> {
        let request = AdjustStockRequest {
            sku: TEA.into(),
            location_id: format!("{account}-depot"),
            delta,
            reason: "delivery".into(),
            request_id: request_id.to_owned(),
        };
        let mut stock = StockServiceClient::new(self.client.channel());
        Ok(stock.adjust_stock(self.client.request(request)).await?.into_inner().level.unwrap().on_hand)
    }
}

fn group(order_id: &str, request_id: &str) -> Option<GroupRef> {
    Some(GroupRef { order_id: order_id.to_owned(), request_id: request_id.to_owned(), ..GroupRef::default() })
}

fn told<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let refusal = Refusal::from(answer.expect_err("a refusal"));
    (refusal.code, refusal.reason)
}

/// Handles changes until a group stands there: what was seen, and the token to go on with.
async fn until(
    stream: &mut Streaming<WatchOrdersResponse>,
    state: FulfillmentState,
    seen: &mut Vec<(String, i64)>,
) -> String {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), stream.message()).await;
        let message = message.expect("a change is missing").unwrap().expect("the watch goes on");
        let (Some(event), Some(order)) = (message.event, message.order) else { continue };
        seen.push((order.order_id, event.sequence));
        if order.groups.iter().any(|group| group.state() == state) {
            return message.resume_token;
        }
    }
}

in_every_mode!(two_partners_beside_each_other);

async fn two_partners_beside_each_other(mode: Mode) {
    let mesh = Mesh::start(mode).await;
    let (acme, zenith) = (Partner::new(&mesh, "acme").await, Partner::new(&mesh, "zenith").await);
    let mut watch = acme.watch("").await.unwrap();
    let first = watch.message().await.unwrap().unwrap();
    let (mine, theirs) = (acme.import().await, zenith.import().await);
    assert_ne!(mine, theirs);
    let mut seen = Vec::new();
    until(&mut watch, FulfillmentState::Open, &mut seen).await;

    // Another's order, token and location do not exist; the same request id is each one's own.
    let not_found = (Code::NotFound, "NOT_FOUND".to_owned());
    let same = request_id();
    assert_eq!(told(zenith.accept(&mine, &same).await), not_found);
    let key = Some(Key::OrderId(mine.clone()));
    let request = zenith.client.request(GetOrderRequest { key });
    assert_eq!(told(zenith.orders().get_order(request).await), not_found);
    let invalid = (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned());
    let resumed = async { zenith.watch(&first.resume_token).await?.message().await };
    assert_eq!(told(resumed.await), invalid);
    assert_eq!(told(zenith.adjust("acme", 1, &same).await), not_found);
    for (partner, delta) in [(&acme, 5), (&zenith, 9)] {
        for _ in 0..2 {
            assert_eq!(partner.adjust(&partner.account, delta, &same).await.unwrap(), delta);
        }
        let request = partner.client.request(ListOrdersRequest::default());
        let listed = partner.orders().list_orders(request).await.unwrap().into_inner().orders;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].source.as_ref().unwrap().account_id, partner.account);
        let request = GetAvailabilityRequest { skus: vec![TEA.into()], ..GetAvailabilityRequest::default() };
        let mut stock = StockServiceClient::new(partner.client.channel());
        let found = stock.get_availability(partner.client.request(request)).await.unwrap().into_inner();
        let own: Vec<_> = found.availabilities[0].levels.iter().filter(|level| level.on_hand > 0).collect();
        assert_eq!((own.len(), own[0].on_hand), (1, delta));
    }

    // The watch is cut while the order goes on.
    assert_eq!(acme.accept(&mine, &same).await.unwrap(), mine);
    eventually("zenith's stock is reserved", async || zenith.accept(&theirs, &same).await.ok()).await;
    let token = until(&mut watch, FulfillmentState::Accepted, &mut seen).await;
    drop(watch);
    let mut groups = FulfillmentServiceClient::new(acme.client.channel());
    let pack = PackRequest { group: group(&mine, &request_id()), short_lines: Vec::new() };
    groups.pack(acme.client.request(pack)).await.unwrap();
    let (carrier, tracking_number) = ("Yurtiçi".to_owned(), "TR-1".to_owned());
    let ship = ShipRequest { group: group(&mine, &request_id()), carrier, tracking_number };
    groups.ship(acme.client.request(ship)).await.unwrap();
    let deliver = DeliverRequest { group: group(&mine, &request_id()) };
    groups.deliver(acme.client.request(deliver)).await.unwrap();
    let request = ListOrderEventsRequest { order_id: mine.clone(), ..ListOrderEventsRequest::default() };
    let events = acme.orders().list_order_events(acme.client.request(request)).await.unwrap().into_inner().events;
    let mut watch = acme.watch(&token).await.unwrap();
    while seen.len() < events.len() {
        until(&mut watch, FulfillmentState::Delivered, &mut seen).await;
    }
    let expected: Vec<_> = events.iter().map(|event| (mine.clone(), event.sequence)).collect();
    assert_eq!(seen, expected, "each change once, none of another's");

    // A revoked key hears nothing more.
    let start = Instant::now();
    let admin = mesh.admin().await;
    let request = RevokeApiKeyRequest { key_id: acme.key_id.clone(), request_id: request_id() };
    ApiKeyServiceClient::new(admin.channel()).revoke_api_key(admin.request(request)).await.unwrap();
    let ended = loop {
        match tokio::time::timeout(Duration::from_secs(30), watch.message()).await.expect("the watch ends") {
            Ok(Some(_)) => {}
            Ok(None) => break Code::Ok,
            Err(status) => break status.code(),
        }
    };
    assert_eq!(ended, Code::Unauthenticated);
    assert!(start.elapsed() <= Duration::from_secs(30));
    mesh.assert_no_defect();
}
