//! A channels service over a database of its own, an order book and a marketplace that do as they are told, and no task of its own:
//! each step is taken by the test.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use omnimesh_kit::{
    auth::{Caller, Identity, TokenKey},
    call::Call,
    config::Settings,
    lifecycle::Lifecycle,
    links::{Addresses, BoundLink, Links},
    secrets::Secrets,
    server::{Server, ServerSettings},
    service::Deps,
    session::LiveSessions,
    tail::Tail,
    testing::{Backend, TestDb, db},
};
use omnimesh_proto::{
    access::v1::Audience,
    channels::v1::{
        Account, Action, CreateAccountRequest, GetAccountRequest, GetOrderSyncRequest,
        channel_service_client::ChannelServiceClient,
    },
    common::v1::Channel,
    connectors::v1::{
        Amount, ChannelOrder, ChannelOrderLine, ChannelOrderState, VendorTime,
        connector_service_server::ConnectorServiceServer,
    },
    orders::v1::{FulfillmentGroup, FulfillmentState, LineQuantity, Order, order_service_server::OrderServiceServer},
};
use tonic::service::Routes;

use super::fakes::{Marketplace, OrderBook};
use crate::{MIGRATIONS, act, app::App, look, pull, settings::ChannelsSettings};

pub(super) const VENDOR: &str = "trendyol";
pub(super) const SECRET: &str = "the-secret-of-the-integration";

pub(super) struct World {
    pub(super) db: TestDb,
    pub(super) app: Arc<App>,
    pub(super) links: Links,
    pub(super) market: Marketplace,
    pub(super) book: OrderBook,
    pub(super) account: Account,
}

#[derive(Debug, Default)]
pub(super) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Shared<T> {
    pub(super) fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// What was asked, in order.
pub(super) type Log = VecDeque<String>;

pub(super) async fn world(backend: Backend) -> World {
    let db = db(&MIGRATIONS, backend).await;
    let secrets = Secrets::from_root([9; 32]);
    let (lifecycle, keys) = (Lifecycle::new(), TokenKey::new(&secrets, db.clock.clone()));
    let links = Links::new(keys.clone(), Addresses::new(), lifecycle.clone());
    let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
    let (market, book) = (Marketplace::default(), OrderBook::default());
    let deps = Deps {
        settings: Arc::new(Settings::default()),
        clock: db.clock.clone(),
        secrets,
        db: db.db.clone(),
        sessions: LiveSessions::memory(db.clock.clone()),
        links: links.of(crate::NAME),
        tail: Tail::new(db.db.clone()),
        lifecycle,
    };
    let app = Arc::new(App { settings: ChannelsSettings::default(), deps });
    links.register_local(server.stack(crate::NAME, crate::routes(&app)));
    links.register_local(server.stack(VENDOR, Routes::new(ConnectorServiceServer::new(market.clone()))));
    links.register_local(server.stack("orders", Routes::new(OrderServiceServer::new(book.clone()))));
    let fields = BTreeMap::from([("seller_id", "2738"), ("api_secret", SECRET)]);
    let request = CreateAccountRequest {
        vendor: VENDOR.to_owned(),
        display_name: "Our shop".to_owned(),
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        request_id: String::new(),
    };
    let mut client = ChannelServiceClient::new(links.to(crate::NAME, &admin()));
    let account = client.create_account(request).await.unwrap().into_inner().account.unwrap();
    World { db, app, links, market, book, account }
}

pub(super) fn admin() -> Call {
    let mut identity = Identity::system("admin");
    identity.audience = Audience::Admin.into();
    Call { caller: Caller { identity, service: None }, deadline: None }
}

impl World {
    pub(super) fn channels(&self) -> ChannelServiceClient<BoundLink> {
        ChannelServiceClient::new(self.links.to(crate::NAME, &admin()))
    }

    /// A connector, as it asks for credentials.
    pub(super) fn as_connector(&self, name: &str) -> ChannelServiceClient<BoundLink> {
        ChannelServiceClient::new(self.links.of(name).to(crate::NAME, &Call::system(name)))
    }

    pub(super) async fn seen(&self) -> Account {
        let request = GetAccountRequest { account_id: self.account.account_id.clone() };
        self.channels().get_account(request).await.unwrap().into_inner().account.unwrap()
    }

    /// Lets time pass, and all be done that is due then.
    pub(super) async fn pass(&self, seconds: u64) {
        self.db.clock.advance(Duration::from_secs(seconds));
        // One leads to the other.
        for _ in 0..3 {
            while pull::next(&self.app).await {}
            while look::next(&self.app).await {}
            while act::next(&self.app).await {}
        }
    }

    pub(super) async fn actions(&self, order_id: &str) -> Vec<Action> {
        let request = GetOrderSyncRequest { order_id: order_id.to_owned() };
        self.channels().get_order_sync(request).await.unwrap().into_inner().actions
    }

    /// An order of two mugs and a lamp at the marketplace.
    pub(super) fn place(&self, native_id: &str) {
        let order = order(native_id, ChannelOrderState::New, self.moment());
        self.market.show(order);
    }

    /// An order at the marketplace changes.
    pub(super) fn change(&self, native_id: &str, change: impl FnOnce(&mut ChannelOrder)) {
        let mut order = self.market.order(native_id);
        order.update_time = Some(self.moment());
        change(&mut order);
        order.dedupe_key = format!("{native_id}:{:?}:{:?}", order.update_time, order.state);
        self.market.show(order);
    }

    pub(super) fn moment(&self) -> VendorTime {
        VendorTime { time: Some(self.db.clock.now().to_proto()), raw: String::new() }
    }

    /// The order of the order book goes on its way.
    pub(super) fn ship(&self, order_id: &str, lines: &[(&str, i64)]) {
        let mut book = self.book.0.get();
        let order = book.orders.get_mut(order_id).unwrap();
        let line = |(id, quantity): &(&str, i64)| LineQuantity { line_id: (*id).to_owned(), quantity: *quantity };
        let mut group = FulfillmentGroup {
            group_id: format!("group_{}", order.groups.len()),
            lines: lines.iter().map(line).collect(),
            carrier: "Kargo".to_owned(),
            tracking_number: "K1".to_owned(),
            ..FulfillmentGroup::default()
        };
        group.set_state(FulfillmentState::Shipped);
        order.groups.push(group);
    }
}

pub(super) fn order(native_id: &str, state: ChannelOrderState, moment: VendorTime) -> ChannelOrder {
    let amount = |decimal: &str| Some(Amount { decimal: decimal.to_owned(), currency_code: "TRY".to_owned() });
    let line = |id: &str, sku: &str, quantity, price: &str, total: &str| ChannelOrderLine {
        native_id: format!("{native_id}-{id}"),
        sku: sku.to_owned(),
        name: sku.to_owned(),
        quantity,
        unit_price: amount(price),
        total: amount(total),
        tax_percent: "20".to_owned(),
        ..ChannelOrderLine::default()
    };
    ChannelOrder {
        native_id: native_id.to_owned(),
        group_id: "1001".to_owned(),
        dedupe_key: format!("{native_id}:{state:?}"),
        update_time: Some(moment.clone()),
        place_time: Some(moment),
        state: state.into(),
        raw_state: format!("{state:?}"),
        lines: vec![line("a", "mug", 2, "30.00", "60.00"), line("b", "lamp", 1, "190.00", "190.00")],
        total: amount("250.00"),
        customer_ref: "customer-7".to_owned(),
        raw: b"{}".to_vec(),
        ..ChannelOrder::default()
    }
}

/// What orders would answer with.
pub(super) fn booked(order_id: &str, document: &omnimesh_proto::orders::v1::ImportDocument) -> Order {
    let mut order = Order {
        order_id: order_id.to_owned(),
        number: "ABC-123".to_owned(),
        lines: document.lines.clone(),
        ..Order::default()
    };
    order.set_state(omnimesh_proto::orders::v1::OrderState::Confirmed);
    order.set_channel(Channel::Marketplace);
    order
}
