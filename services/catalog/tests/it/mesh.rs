//! A catalog with its stack, and callers of every kind.

use std::sync::{Arc, Mutex};

use futures::stream::BoxStream;
use omnimesh_catalog::{MIGRATIONS, build, demo};
use omnimesh_kit::{
    auth::{Caller, Identity, SessionIdentity, SessionLevel, TokenKey},
    call::Call,
    config::Settings,
    ids::{JourneyId, SessionId},
    inbox::EventHandler,
    lifecycle::Lifecycle,
    links::{Addresses, BoundLink, Links},
    secrets::Secrets,
    server::{Server, ServerSettings},
    service::Deps,
    session::LiveSessions,
    tail::Tail,
    testing::{self, Backend, START, TestDb},
};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{self as carts, cart_service_server::CartServiceServer},
    catalog::v1::{
        AdjustStockRequest, ConfirmRequest, GetAvailabilityRequest, ImportOutcome, ImportProductsRequest,
        ImportProductsResponse, Location, Product, Reservation, ReservationLine, ReserveRequest, SetStockRequest,
        SetTaxRatesRequest, StockLevel, UpsertLocationRequest, catalog_service_client::CatalogServiceClient,
        location_service_client::LocationServiceClient, stock_service_client::StockServiceClient,
    },
    common::v1::{Channel, Money},
};
use tonic::{Request, Response, Status, service::Routes};
use tonic_types::StatusExt as _;

pub(crate) struct Mesh {
    pub(crate) db: TestDb,
    pub(crate) orders: Arc<dyn EventHandler>,
    pub(crate) cart: Arc<Mutex<carts::Cart>>,
    links: Links,
    lifecycle: Lifecycle,
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.lifecycle.token().cancel();
    }
}

/// An empty catalog, beside carts that knows one cart, of the session [`customer`].
pub(crate) async fn empty(backend: Backend) -> Mesh {
    let db = testing::db(&MIGRATIONS, backend).await;
    let (secrets, lifecycle) = (Secrets::from_root([7; 32]), Lifecycle::new());
    let keys = TokenKey::new(&secrets, db.clock.clone());
    let links = Links::new(keys.clone(), Addresses::new(), lifecycle.clone());
    let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
    let deps = Deps {
        settings: Arc::new(Settings::default()),
        clock: db.clock.clone(),
        secrets,
        db: db.db.clone(),
        sessions: LiveSessions::memory(db.clock.clone()),
        links: links.of("catalog"),
        tail: Tail::new(db.db.clone()),
        lifecycle: lifecycle.clone(),
    };
    let module = build(deps).unwrap();
    links.register_local(server.stack("catalog", module.routes));
    let cart = Arc::new(Mutex::new(carts::Cart::default()));
    links.register_local(server.stack("carts", Routes::new(CartServiceServer::new(Carts(cart.clone())))));
    Mesh { db, orders: module.consumers[0].handler.clone(), cart, links, lifecycle }
}

/// A catalog with the demo's products, locations, rates, settings and stock.
pub(crate) async fn stocked(backend: Backend) -> Mesh {
    let mesh = empty(backend).await;
    for location in demo::locations() {
        mesh.upsert(location).await;
    }
    let imported = mesh.import(demo::products()).await;
    assert!(imported.iter().all(|answer| answer.outcome() == ImportOutcome::Created), "{imported:?}");
    let rates = SetTaxRatesRequest { tax_rates: demo::tax_rates(), ..SetTaxRatesRequest::default() };
    mesh.catalog(&admin()).set_tax_rates(rates).await.unwrap();
    for settings in demo::channel_settings() {
        let request =
            omnimesh_proto::catalog::v1::SetChannelSettingsRequest { settings: Some(settings), ..Default::default() };
        mesh.catalog(&admin()).set_channel_settings(request).await.unwrap();
    }
    for level in demo::stock() {
        mesh.stock(&admin()).set_stock(level).await.unwrap();
    }
    mesh
}

impl Mesh {
    fn link(&self, call: &Call) -> BoundLink {
        match &call.caller.service {
            Some(service) => self.links.of(service).to("catalog", call),
            None => self.links.to("catalog", call),
        }
    }

    pub(crate) fn catalog(&self, call: &Call) -> CatalogServiceClient<BoundLink> {
        CatalogServiceClient::new(self.link(call))
    }

    pub(crate) fn locations(&self, call: &Call) -> LocationServiceClient<BoundLink> {
        LocationServiceClient::new(self.link(call))
    }

    pub(crate) fn stock(&self, call: &Call) -> StockServiceClient<BoundLink> {
        StockServiceClient::new(self.link(call))
    }

    pub(crate) async fn upsert(&self, location: Location) {
        let request = UpsertLocationRequest { location: Some(location), ..UpsertLocationRequest::default() };
        self.locations(&admin()).upsert_location(request).await.unwrap();
    }

    pub(crate) async fn import(&self, products: Vec<Product>) -> Vec<ImportProductsResponse> {
        let requests = products.into_iter().map(|product| ImportProductsRequest { product: Some(product) });
        let stream = tokio_stream::iter(requests.collect::<Vec<_>>());
        let mut answers = self.catalog(&admin()).import_products(stream).await.unwrap().into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            all.push(answer);
        }
        all
    }

    pub(crate) async fn set(&self, sku: &str, location: &str, on_hand: i64) {
        let request = SetStockRequest {
            sku: sku.to_owned(),
            location_id: location.to_owned(),
            on_hand,
            ..SetStockRequest::default()
        };
        self.stock(&admin()).set_stock(request).await.unwrap();
    }

    pub(crate) async fn adjust(&self, call: &Call, sku: &str, location: &str, delta: i64) -> Result<(), Status> {
        let request = AdjustStockRequest {
            sku: sku.to_owned(),
            location_id: location.to_owned(),
            delta,
            reason: "delivery".to_owned(),
            request_id: String::new(),
        };
        self.stock(call).adjust_stock(request).await.map(drop)
    }

    pub(crate) async fn reserve(&self, owner: &str, lines: &[ReservationLine]) -> Result<Reservation, Status> {
        let request = ReserveRequest {
            owner_id: owner.to_owned(),
            channel: Channel::Web.into(),
            lines: lines.to_vec(),
            ..ReserveRequest::default()
        };
        let answer = self.stock(&orders()).reserve(request).await?;
        Ok(answer.into_inner().reservation.unwrap())
    }

    pub(crate) async fn confirm(&self, owner: &str) -> Result<Reservation, Status> {
        let answer = self.stock(&orders()).confirm(ConfirmRequest { owner_id: owner.to_owned() }).await?;
        Ok(answer.into_inner().reservation.unwrap())
    }

    /// On hand, reserved, allocated, available of one row, as a back-end sees it.
    pub(crate) async fn parts(&self, sku: &str, location: &str) -> (i64, i64, i64, i64) {
        let level = self.level(sku, location).await;
        (level.on_hand, level.reserved, level.allocated, level.available)
    }

    pub(crate) async fn level(&self, sku: &str, location: &str) -> StockLevel {
        let request = GetAvailabilityRequest {
            skus: vec![sku.to_owned()],
            location_ids: vec![location.to_owned()],
            ..GetAvailabilityRequest::default()
        };
        let answer = self.stock(&admin()).get_availability(request).await.unwrap().into_inner();
        answer.availabilities[0].levels.first().cloned().unwrap_or_default()
    }

    /// The payload types and aggregates in the outbox, oldest first.
    pub(crate) async fn events(&self) -> Vec<(String, String, i64)> {
        const ALL: omnimesh_kit::store::Sql =
            omnimesh_kit::store::Sql::portable("SELECT type, aggregate_id, aggregate_seq FROM outbox ORDER BY ordinal");
        let rows = self.db.read().await.unwrap().fetch_all(ALL, omnimesh_kit::args![]).await.unwrap();
        let event = |row: &omnimesh_kit::store::Row| {
            (row.get("type").unwrap(), row.get("aggregate_id").unwrap(), row.get("aggregate_seq").unwrap())
        };
        rows.iter().map(event).collect()
    }
}

pub(crate) fn line(id: &str, sku: &str, quantity: i64, location: &str) -> ReservationLine {
    ReservationLine { line_id: id.to_owned(), sku: sku.to_owned(), quantity, location_id: location.to_owned() }
}

pub(crate) fn lira(units: i64) -> Option<Money> {
    Some(Money { currency_code: "TRY".to_owned(), units, nanos: 0 })
}

pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn call(audience: Audience, subject: &str, service: Option<&str>) -> Call {
    let mut identity = Identity::system("x");
    identity.audience = audience.into();
    identity.subject = subject.to_owned();
    Call { caller: Caller { identity, service: service.map(str::to_owned) }, deadline: None }
}

pub(crate) fn admin() -> Call {
    call(Audience::Admin, "key_admin", None)
}

/// The orders service, on its own behalf.
pub(crate) fn orders() -> Call {
    Call::system("orders")
}

pub(crate) fn staff(stores: &[&str]) -> Call {
    let mut call = call(Audience::Staff, "ayse", None);
    call.caller.identity.stores = stores.iter().map(|store| (*store).to_owned()).collect();
    call.caller.identity.scopes = vec!["stock.write".to_owned()];
    call
}

/// A key of a partner's, with every scope that it may have.
pub(crate) fn partner(account: &str) -> Call {
    let mut call = call(Audience::Partner, &format!("key-{account}"), None);
    call.caller.identity.account = Some(account.to_owned());
    call.caller.identity.channel = Channel::Partner.into();
    call.caller.identity.scopes = vec!["stock.write".to_owned()];
    call
}

/// A guest of a channel. Always the same session.
pub(crate) fn customer(channel: Channel) -> Call {
    let mut call = call(Audience::Customer, "session_1", None);
    call.caller.identity.channel = channel.into();
    call.caller.identity.session = Some(SessionIdentity {
        id: SessionId(uuid::Uuid::from_u128(1)),
        profile: None,
        level: SessionLevel::Guest,
        journey: JourneyId::new(START),
        locale: "tr-TR".to_owned(),
        device: 0,
        linked: None,
        assisted_by: None,
    });
    call
}

/// Carts, as far as catalog asks it: it gives a cart to the session [`customer`] only.
struct Carts(Arc<Mutex<carts::Cart>>);

type Answer<T> = Result<Response<T>, Status>;

fn absent<T>() -> Answer<T> {
    Err(Status::unimplemented("not part of this test"))
}

#[tonic::async_trait]
impl carts::cart_service_server::CartService for Carts {
    type WatchCartStream = BoxStream<'static, Result<carts::WatchCartResponse, Status>>;

    async fn get_cart(&self, request: Request<carts::GetCartRequest>) -> Answer<carts::GetCartResponse> {
        let call = Call::of(&request)?;
        let cart = self.0.lock().unwrap().clone();
        let own = call.session().is_some_and(|session| session.id.0 == uuid::Uuid::from_u128(1));
        if !own || !call.is_from("catalog") || cart.cart_id != request.get_ref().cart_id {
            return Err(omnimesh_kit::error::Fault::not_found("cart", "another").into());
        }
        Ok(Response::new(carts::GetCartResponse { cart: Some(cart) }))
    }

    async fn add_line(&self, _: Request<carts::AddLineRequest>) -> Answer<carts::AddLineResponse> {
        absent()
    }

    async fn change_line(&self, _: Request<carts::ChangeLineRequest>) -> Answer<carts::ChangeLineResponse> {
        absent()
    }

    async fn remove_line(&self, _: Request<carts::RemoveLineRequest>) -> Answer<carts::RemoveLineResponse> {
        absent()
    }

    async fn apply_coupon(&self, _: Request<carts::ApplyCouponRequest>) -> Answer<carts::ApplyCouponResponse> {
        absent()
    }

    async fn set_delivery(&self, _: Request<carts::SetDeliveryRequest>) -> Answer<carts::SetDeliveryResponse> {
        absent()
    }

    async fn merge_carts(&self, _: Request<carts::MergeCartsRequest>) -> Answer<carts::MergeCartsResponse> {
        absent()
    }

    async fn freeze_cart(&self, _: Request<carts::FreezeCartRequest>) -> Answer<carts::FreezeCartResponse> {
        absent()
    }

    async fn thaw_cart(&self, _: Request<carts::ThawCartRequest>) -> Answer<carts::ThawCartResponse> {
        absent()
    }

    async fn watch_cart(&self, _: Request<carts::WatchCartRequest>) -> Answer<Self::WatchCartStream> {
        absent()
    }

    async fn claim_cart(&self, _: Request<carts::ClaimCartRequest>) -> Answer<carts::ClaimCartResponse> {
        absent()
    }
}
