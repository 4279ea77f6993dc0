//! A carts service with everything around it, and callers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use omnimesh_carts::{MIGRATIONS, NAME, build};
use omnimesh_kit::{
    auth::{Caller, Identity, SessionIdentity, SessionLevel, TokenKey},
    bus::Bus,
    call::Call,
    clock::Clock,
    config::Settings,
    ids::{JourneyId, ProfileId, SessionId, uuid_v7},
    inbox::Consumer,
    lifecycle::Lifecycle,
    links::{Addresses, BoundLink, Links},
    outbox,
    secrets::Secrets,
    server::{Server, ServerSettings},
    service::Deps,
    session::LiveSessions,
    tail::Tail,
    testing::{self, Backend, START, TestDb},
};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{
        AddLineRequest, Cart, CartChanged, CartCreated, CartLineAdded, CartMerged, CartParted, CartSummary,
        GetCartRequest, SetDeliveryRequest, ShippingChoice, UpsertCouponRequest, UpsertShippingMethodRequest,
        cart_service_client::CartServiceClient, coupon_service_client::CouponServiceClient,
        set_delivery_request::Choice, shipping_service_client::ShippingServiceClient,
    },
    catalog::v1::{catalog_service_server::CatalogServiceServer, location_service_server::LocationServiceServer},
    common::v1::{Address, Channel},
    events::v1::Event,
    sessions::v1::session_service_server::SessionServiceServer,
};
use prost::{Message, Name};
use tonic::{Status, service::Routes};
use tonic_types::StatusExt as _;

use crate::fakes::{Fakes, State};

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) clock: Clock,
    pub(crate) fakes: Fakes,
    pub(crate) links: Links,
    pub(crate) consumers: Vec<Consumer>,
    lifecycle: Lifecycle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.token().cancel();
    }
}

impl World {
    pub(crate) async fn on(backend: Backend) -> Self {
        let db = testing::db(&MIGRATIONS, backend).await;
        let (clock, lifecycle, secrets) = (db.clock.clone(), Lifecycle::new(), Secrets::from_root([7; 32]));
        let prices = [("mug", 100_000_000), ("tea", 25_500_000), ("pen", 335_000)];
        let prices: BTreeMap<_, _> = prices.map(|(sku, micros)| (sku.to_owned(), micros)).into();
        let state = State { prices, include_tax: true, ..State::default() };
        let fakes = Fakes { state: Arc::new(Mutex::new(state)), clock: clock.clone() };

        let keys = TokenKey::new(&secrets, clock.clone());
        let server = Server::new(ServerSettings::default(), keys.clone(), lifecycle.clone());
        let links = Links::new(keys, Addresses::new(), lifecycle.clone());
        let catalog = Routes::new(CatalogServiceServer::new(fakes.clone()))
            .add_service(LocationServiceServer::new(fakes.clone()));
        links.register_local(server.stack("catalog", catalog));
        links.register_local(server.stack("sessions", Routes::new(SessionServiceServer::new(fakes.clone()))));

        let (bus, tail) = (Bus::memory(10_000), Tail::new(db.db.clone()));
        lifecycle.spawn("relay", outbox::relay(db.db.clone(), bus.clone(), lifecycle.token()));
        lifecycle.spawn("tail", tail.clone().run(bus, lifecycle.token()));
        let module = build(Deps {
            settings: Arc::new(Settings::default()),
            clock: clock.clone(),
            secrets,
            db: db.db.clone(),
            sessions: LiveSessions::memory(clock.clone()),
            links: links.of(NAME),
            tail,
            lifecycle: lifecycle.clone(),
        })
        .unwrap();
        links.register_local(server.stack(NAME, module.routes));
        let world = Self { db, clock, fakes, links, consumers: module.consumers, lifecycle };
        world.demo().await;
        world
    }

    /// The demo's shipping methods and coupons.
    async fn demo(&self) {
        let admin = call(Audience::Admin, None);
        let mut shipping = ShippingServiceClient::new(self.links.to(NAME, &admin));
        for method in omnimesh_carts::demo::shipping_methods() {
            let request = UpsertShippingMethodRequest { shipping_method: Some(method), request_id: String::new() };
            shipping.upsert_shipping_method(request).await.unwrap();
        }
        let mut coupons = CouponServiceClient::new(self.links.to(NAME, &admin));
        for coupon in omnimesh_carts::demo::coupons() {
            let request = UpsertCouponRequest { coupon: Some(coupon), request_id: String::new() };
            coupons.upsert_coupon(request).await.unwrap();
        }
    }

    /// Carts, as that caller reaches it through the gateway.
    pub(crate) fn carts(&self, call: &Call) -> CartServiceClient<BoundLink> {
        CartServiceClient::new(self.links.to(NAME, call))
    }

    /// Carts, as that service calls it on behalf of the caller.
    pub(crate) fn carts_from(&self, service: &str, call: &Call) -> CartServiceClient<BoundLink> {
        CartServiceClient::new(self.links.of(service).to(NAME, call))
    }

    pub(crate) fn set_price(&self, sku: &str, micros: Option<i64>) {
        let mut state = self.fakes.state.lock().unwrap();
        match micros {
            Some(micros) => state.prices.insert(sku.to_owned(), micros),
            None => state.prices.remove(sku),
        };
    }

    pub(crate) async fn add(&self, call: &Call, sku: &str, quantity: i64) -> Cart {
        let request = AddLineRequest { sku: sku.to_owned(), quantity, ..AddLineRequest::default() };
        self.carts(call).add_line(request).await.unwrap().into_inner().cart.unwrap()
    }

    pub(crate) async fn get(&self, call: &Call, cart_id: &str) -> Result<Cart, Status> {
        let request = GetCartRequest { cart_id: cart_id.to_owned() };
        self.carts(call).get_cart(request).await.map(|reply| reply.into_inner().cart.unwrap())
    }

    pub(crate) async fn ship(&self, call: &Call, cart: &Cart) -> Result<Cart, Status> {
        let shipping_method_id = "standard".to_owned();
        let choice = Choice::Shipping(ShippingChoice { address: Some(address()), shipping_method_id });
        let request = SetDeliveryRequest {
            expected_version: cart.version,
            choice: Some(choice),
            ..SetDeliveryRequest::default()
        };
        self.carts(call).set_delivery(request).await.map(|reply| reply.into_inner().cart.unwrap())
    }

    /// The cart as its last event shows it. Every event of carts has it in the same place.
    pub(crate) async fn last_summary(&self, cart_id: &str) -> CartSummary {
        let mut conn = self.db.read().await.unwrap();
        let sql = omnimesh_kit::store::Sql::portable(
            "SELECT type, payload FROM outbox WHERE aggregate_id = $1 ORDER BY aggregate_seq DESC LIMIT 1",
        );
        let row = conn.fetch_one(sql, omnimesh_kit::args![cart_id]).await.unwrap();
        let payload: Vec<u8> = row.get("payload").unwrap();
        let payload = payload.as_slice();
        let summary = match row.get::<String>("type").unwrap().rsplit('.').next().unwrap() {
            "CartCreated" => CartCreated::decode(payload).unwrap().cart,
            "CartLineAdded" => CartLineAdded::decode(payload).unwrap().cart,
            "CartChanged" => CartChanged::decode(payload).unwrap().cart,
            "CartMerged" => CartMerged::decode(payload).unwrap().cart,
            "CartParted" => CartParted::decode(payload).unwrap().cart,
            _ => None,
        };
        summary.unwrap()
    }

    /// Hears an event of another service, in a transaction of its own, as the inbox does.
    pub(crate) async fn hear<E: Message + Name>(&self, producer: &str, aggregate: &str, payload: &E) {
        let event = Event {
            producer: producer.to_owned(),
            r#type: E::full_name(),
            aggregate_id: aggregate.to_owned(),
            payload: payload.encode_to_vec().into(),
            ..Event::default()
        };
        let consumer = self.consumers.iter().find(|consumer| consumer.producer == producer).unwrap();
        let mut tx = self.db.begin().await.unwrap();
        consumer.handler.handle(&mut tx, &event).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The types of a cart's events, in order, with dense numbers.
    pub(crate) async fn events(&self, cart_id: &str) -> Vec<String> {
        let mut conn = self.db.read().await.unwrap();
        let sql = omnimesh_kit::store::Sql::portable(
            "SELECT type, aggregate_seq FROM outbox WHERE aggregate_id = $1 ORDER BY aggregate_seq",
        );
        let rows = conn.fetch_all(sql, omnimesh_kit::args![cart_id]).await.unwrap();
        let seqs: Vec<i64> = rows.iter().map(|row| row.get("aggregate_seq").unwrap()).collect();
        assert_eq!(seqs, (1..).take(seqs.len()).collect::<Vec<_>>());
        let types = rows.iter().map(|row| row.get::<String>("type").unwrap());
        types.map(|name| name.trim_start_matches("omnimesh.carts.v1.").to_owned()).collect()
    }
}

/// A call of somebody with that kind of credential.
pub(crate) fn call(audience: Audience, session: Option<SessionIdentity>) -> Call {
    let subject = session.as_ref().map_or_else(|| uuid_v7(START).to_string(), |session| session.id.to_string());
    let identity = Identity {
        audience: audience.into(),
        subject,
        channel: Channel::Web.into(),
        scopes: vec!["carts.read".to_owned(), "carts.write".to_owned()],
        session,
        stores: Vec::new(),
        account: None,
        client: None,
    };
    Call { caller: Caller { identity, service: None }, deadline: None }
}

/// A new guest.
pub(crate) fn guest() -> Call {
    let session = SessionIdentity {
        id: SessionId::new(START),
        profile: None,
        level: SessionLevel::Guest,
        journey: JourneyId::new(START),
        locale: "tr-TR".to_owned(),
        device: 0,
        linked: None,
        assisted_by: None,
    };
    call(Audience::Customer, Some(session))
}

/// The same session, once it is known who holds it.
pub(crate) fn identified(guest: &Call, profile: ProfileId) -> Call {
    let mut call = guest.clone();
    let session = call.caller.identity.session.as_mut().unwrap();
    (session.profile, session.level) = (Some(profile), SessionLevel::Identified);
    call
}

/// A new session of a known customer.
pub(crate) fn customer(profile: ProfileId) -> Call {
    identified(&guest(), profile)
}

pub(crate) fn session_of(call: &Call) -> String {
    call.session().unwrap().id.to_string()
}

pub(crate) fn address() -> Address {
    Address {
        recipient: "Ada Lovelace".to_owned(),
        lines: vec!["Moda Caddesi 1".to_owned()],
        city: "İstanbul".to_owned(),
        postal_code: "34710".to_owned(),
        country_code: "TR".to_owned(),
        phone: "+902121234567".to_owned(),
        ..Address::default()
    }
}

/// The total as a decimal text.
pub(crate) fn total(cart: &Cart) -> String {
    let total = cart.totals.as_ref().unwrap().total.as_ref().unwrap();
    omnimesh_kit::money::Money::from_proto(total).unwrap().to_decimal_string()
}

/// Quantity by SKU.
pub(crate) fn pieces(cart: &Cart) -> BTreeMap<&str, i64> {
    let mut found = BTreeMap::new();
    for line in &cart.lines {
        *found.entry(line.sku.as_str()).or_insert(0) += line.quantity;
    }
    found
}

/// The stable reason of a failure.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

pub(crate) fn request_id() -> String {
    uuid_v7(START).to_string()
}
