//! An orders service over a database of its own, the services around it, and callers of every kind.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{
    auth::{Caller, Identity, SessionIdentity, SessionLevel, TokenKey},
    bus::Bus,
    call::Call,
    config::Settings,
    ids::{JourneyId, SessionId},
    lifecycle::Lifecycle,
    links::{Addresses, BoundLink, Links},
    money::Money,
    outbox::relay,
    secrets::Secrets,
    server::{Server, ServerSettings},
    service::Deps,
    session::LiveSessions,
    tail::Tail,
    testing::{Backend, START, TestDb, db},
};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{self as carts, CartState, DeliveryKind, cart_service_server::CartServiceServer},
    catalog::v1::{location_service_server::LocationServiceServer, stock_service_server::StockServiceServer},
    common::v1::{self as common, Channel},
    orders::v1::{
        self as proto, fulfillment_service_client::FulfillmentServiceClient, order_service_client::OrderServiceClient,
        payment_service_client::PaymentServiceClient, return_service_client::ReturnServiceClient,
    },
    sessions::v1::session_service_server::SessionServiceServer,
};
use tonic::{Status, service::Routes};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::fakes::Fakes;
use crate::{MIGRATIONS, app::App, domain::OrderId, settings::OrdersSettings};

pub(super) struct World {
    pub(super) db: TestDb,
    pub(super) app: Arc<App>,
    pub(super) fakes: Fakes,
    links: Links,
    pub(super) customer: Call,
}

pub(super) async fn world(backend: Backend) -> World {
    let db = db(&MIGRATIONS, backend).await;
    let secrets = Secrets::from_root([9; 32]);
    let (lifecycle, keys) = (Lifecycle::new(), TokenKey::new(&secrets, db.clock.clone()));
    let links = Links::new(keys.clone(), Addresses::new(), lifecycle.clone());
    let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
    let fakes = Fakes::default();
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
    let app = App::new(deps, OrdersSettings::default());
    links.register_local(server.stack("orders", crate::routes(&app)));
    links.register_local(server.stack("carts", Routes::new(CartServiceServer::new(fakes.clone()))));
    let catalog = Routes::new(StockServiceServer::new(fakes.clone()));
    links.register_local(server.stack("catalog", catalog.add_service(LocationServiceServer::new(fakes.clone()))));
    links.register_local(server.stack("sessions", Routes::new(SessionServiceServer::new(fakes.clone()))));
    let customer = customer();
    {
        let mut state = fakes.state();
        state.cart = cart();
        state.cart_session = customer.session().unwrap().id.to_string();
        for (sku, location) in [("mug", "kadikoy"), ("mug", "depot"), ("lamp", "kadikoy"), ("lamp", "depot")] {
            state.shelf.insert((sku.to_owned(), location.to_owned()), 10);
        }
    }
    World { db, app, fakes, links, customer }
}

pub(super) fn lira(text: &str) -> common::Money {
    Money::parse_decimal(text, "TRY".parse().unwrap()).unwrap().to_proto()
}

/// Three mugs and a lamp: 279.00 TRY, collected in the store.
pub(super) fn cart() -> carts::Cart {
    let line =
        |id: &str, sku: &str, quantity, price: &str, subtotal: &str, discount: &str, total: &str| carts::CartLine {
            line_id: id.to_owned(),
            sku: sku.to_owned(),
            name: sku.to_owned(),
            quantity,
            unit_price: Some(lira(price)),
            subtotal: Some(lira(subtotal)),
            discount: Some(lira(discount)),
            tax: Some(lira("1.00")),
            total: Some(lira(total)),
            sellable: true,
            ..Default::default()
        };
    let pickup = carts::PickupChoice { location_id: "kadikoy".to_owned() };
    let mut cart = carts::Cart {
        cart_id: "cart_01k00000000000000000000000".to_owned(),
        version: 4,
        currency_code: "TRY".to_owned(),
        lines: vec![
            line("line_a", "mug", 3, "30.00", "90.00", "1.00", "89.00"),
            line("line_b", "lamp", 1, "190.00", "190.00", "0", "190.00"),
        ],
        delivery: Some(carts::Delivery {
            kind: DeliveryKind::Pickup.into(),
            pickup: Some(pickup),
            fee: Some(lira("0")),
            ..Default::default()
        }),
        totals: Some(carts::CartTotals {
            subtotal: Some(lira("280.00")),
            discount: Some(lira("1.00")),
            shipping: Some(lira("0")),
            tax: Some(lira("2.00")),
            total: Some(lira("279.00")),
            prices_include_tax: true,
        }),
        channel: Channel::Web.into(),
        ..Default::default()
    };
    cart.set_state(CartState::Active);
    cart
}

fn call(audience: Audience, subject: &str, fill: impl FnOnce(&mut Identity)) -> Call {
    let mut identity = Identity::system(subject);
    identity.audience = audience.into();
    subject.clone_into(&mut identity.subject);
    fill(&mut identity);
    Call { caller: Caller { identity, service: None }, deadline: None }
}

pub(super) fn customer() -> Call {
    let id = SessionId::new(START);
    call(Audience::Customer, &id.to_string(), |identity| {
        identity.channel = Channel::Web.into();
        identity.session = Some(SessionIdentity {
            id,
            profile: None,
            level: SessionLevel::Guest,
            journey: JourneyId::new(START),
            locale: "tr-TR".to_owned(),
            device: 1,
            linked: None,
            assisted_by: None,
        });
    })
}

pub(super) fn staff(store: &str) -> Call {
    call(Audience::Staff, "ayse", |identity| {
        identity.stores = vec![store.to_owned()];
        identity.scopes =
            ["orders.read", "orders.write", "fulfillment.write", "payments.write"].map(str::to_owned).to_vec();
        identity.channel = Channel::Store.into();
    })
}

/// Staff who take goods back.
pub(super) fn clerk(store: &str) -> Call {
    let mut call = staff(store);
    call.caller.identity.scopes.extend(["returns.read", "returns.write"].map(str::to_owned));
    call
}

pub(super) fn partner(account: &str) -> Call {
    call(Audience::Partner, &format!("key-{account}"), |identity| {
        identity.account = Some(account.to_owned());
        identity.scopes = ["orders.read", "orders.import", "fulfillment.write"].map(str::to_owned).to_vec();
        identity.channel = Channel::Partner.into();
    })
}

pub(super) fn admin() -> Call {
    call(Audience::Admin, "root", |_| {})
}

impl World {
    fn link(&self, call: &Call) -> BoundLink {
        self.links.to("orders", call).within(Duration::from_secs(30))
    }

    pub(super) fn orders(&self, call: &Call) -> OrderServiceClient<BoundLink> {
        OrderServiceClient::new(self.link(call))
    }

    pub(super) fn streams(&self, call: &Call) -> OrderServiceClient<BoundLink> {
        OrderServiceClient::new(self.links.to("orders", call))
    }

    pub(super) fn fulfillment(&self, call: &Call) -> FulfillmentServiceClient<BoundLink> {
        FulfillmentServiceClient::new(self.link(call))
    }

    pub(super) fn payments(&self, call: &Call) -> PaymentServiceClient<BoundLink> {
        PaymentServiceClient::new(self.link(call))
    }

    pub(super) fn returns(&self, call: &Call) -> ReturnServiceClient<BoundLink> {
        ReturnServiceClient::new(self.link(call))
    }

    pub(super) fn request(&self) -> proto::PlaceOrderRequest {
        let contact = common::contact::Value::Email("ada@example.com".to_owned());
        proto::PlaceOrderRequest {
            cart_id: String::new(),
            cart_version: 4,
            expected_total: Some(lira("279.00")),
            contact: Some(common::Contact { value: Some(contact) }),
            payment_method: proto::PaymentMethod::Online.into(),
            request_id: Uuid::new_v4().to_string(),
        }
    }

    /// An order, placed and paid.
    pub(super) async fn paid(&self) -> proto::Order {
        let order = self.place(&self.request()).await.unwrap();
        self.pay(&order.order_id, "p1", proto::PaymentEventKind::Captured, "279.00").await.unwrap().order.unwrap()
    }

    pub(super) async fn place(&self, request: &proto::PlaceOrderRequest) -> Result<proto::Order, Status> {
        let answer = self.orders(&self.customer).place_order(request.clone()).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    pub(super) async fn pay(
        &self,
        order_id: &str,
        event: &str,
        kind: proto::PaymentEventKind,
        amount: &str,
    ) -> Result<proto::RecordPaymentResponse, Status> {
        let request = proto::RecordPaymentRequest {
            order_id: order_id.to_owned(),
            provider: "till".to_owned(),
            provider_event_id: event.to_owned(),
            kind: kind.into(),
            amount: Some(lira(amount)),
            occur_time: Some(START.to_proto()),
        };
        Ok(self.payments(&admin()).record_payment(request).await?.into_inner())
    }

    pub(super) async fn order(&self, order_id: &str) -> proto::Order {
        let key = Some(proto::get_order_request::Key::OrderId(order_id.to_owned()));
        let answer = self.orders(&admin()).get_order(proto::GetOrderRequest { key }).await.unwrap();
        answer.into_inner().order.unwrap()
    }

    /// The only order of the database.
    pub(super) async fn only_order(&self) -> crate::domain::Order {
        use omnimesh_kit::{args, store::Sql};
        let mut conn = self.db.read().await.unwrap();
        let rows = conn.fetch_all(Sql::portable("SELECT id FROM orders ORDER BY id LIMIT 9"), args![]).await.unwrap();
        assert_eq!(rows.len(), 1);
        let id = OrderId(rows[0].get("id").unwrap());
        crate::store::orders::find(&mut conn, id).await.unwrap().unwrap()
    }

    pub(super) async fn events(&self, order_id: &str) -> Vec<String> {
        let request = proto::ListOrderEventsRequest { order_id: order_id.to_owned(), ..Default::default() };
        let events = self.orders(&admin()).list_order_events(request).await.unwrap().into_inner().events;
        assert!(events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence), "{events:?}");
        events.into_iter().map(|event| format!("{} {}", event.r#type, event.state)).collect()
    }

    pub(super) fn shelf(&self) -> i64 {
        self.fakes.state().shelf.values().sum()
    }

    pub(super) fn cart_state(&self) -> CartState {
        self.fakes.state().cart.state()
    }

    /// Sends the events and feeds the watchers, as the host does.
    pub(super) fn live(&self) {
        let (deps, bus) = (&self.app.deps, Bus::memory(1_000));
        deps.lifecycle.spawn("relay", relay(deps.db.clone(), bus.clone(), deps.lifecycle.token()));
        deps.lifecycle.spawn("tail", deps.tail.clone().run(bus, deps.lifecycle.token()));
    }

    pub(super) fn sweep(&self) -> impl Future<Output = Result<(), crate::error::Error>> {
        let app = self.app.clone();
        async move { crate::sweeper::sweep(&app).await }
    }

    pub(super) async fn run_tasks(&self) {
        crate::tasks::run(&self.app, &Call::system(crate::NAME), None).await;
    }
}

pub(super) fn group(order: &proto::Order) -> Option<proto::GroupRef> {
    Some(proto::GroupRef {
        order_id: order.order_id.clone(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    })
}

/// Code and reason of a refusal.
pub(super) fn told<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.expect_err("a refusal");
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    format!("{:?} {reason}", status.code())
}
