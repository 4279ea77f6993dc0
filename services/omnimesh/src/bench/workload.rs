//! What is measured: the calls, and what each needs before it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::ValueEnum;
use http::uri::PathAndQuery;
use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use omnimesh_proto::{
    carts::v1::{AddLineRequest, GetCartRequest},
    common::v1::{Channel, Money},
    orders::v1::{DocumentKind, ImportDocument, ImportMode, ImportOrdersRequest, LineKind, OrderLine},
    profiles::v1::GetCustomerViewRequest,
    sessions::v1::GetSessionRequest,
};
use prost::Message as _;
use serde::Serialize;

use super::{
    caller::{Caller, Import, Next},
    raw::{Authorization, RawClient},
    world::World,
};
use crate::tour::device::request_id;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// CartService.AddLine: one more of a SKU in a cart that has three lines.
    AddLine,
    /// CartService.GetCart: a cart of three lines.
    GetCart,
    /// OrderService.PlaceOrder: a guest's cart of three lines, to be shipped. Filling the cart is not measured.
    PlaceOrder,
    /// OrderService.ImportOrders: documents of the past with three lines; a caller is a stream with 100 on their way.
    ImportOrders,
    /// CustomerViewService.GetCustomerView: a customer with a cart and an order.
    GetCustomerView,
    /// SessionService.GetSession: the session that calls.
    GetSession,
}

/// Carts that are ready to be ordered: taken by whoever calls next.
pub(super) type Ready = Arc<Mutex<VecDeque<(Authorization, Bytes)>>>;

/// A workload with its callers.
pub(super) struct Prepared {
    pub(super) callers: Vec<Caller>,
    /// Where calls are put that must be prepared one by one.
    pub(super) ready: Option<Ready>,
}

impl Workload {
    /// The RPC, as reports name it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::AddLine => "AddLine",
            Self::GetCart => "GetCart",
            Self::PlaceOrder => "PlaceOrder",
            Self::ImportOrders => "ImportOrders",
            Self::GetCustomerView => "GetCustomerView",
            Self::GetSession => "GetSession",
        }
    }

    /// How many calls are counted to see what statements one runs.
    pub(super) fn counted(self) -> usize {
        match self {
            Self::ImportOrders => 2_000,
            Self::PlaceOrder => 100,
            Self::AddLine | Self::GetCart | Self::GetCustomerView | Self::GetSession => 300,
        }
    }

    fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::AddLine => "/omnimesh.carts.v1.CartService/AddLine",
            Self::GetCart => "/omnimesh.carts.v1.CartService/GetCart",
            Self::PlaceOrder => "/omnimesh.orders.v1.OrderService/PlaceOrder",
            Self::ImportOrders => "/omnimesh.orders.v1.OrderService/ImportOrders",
            Self::GetCustomerView => "/omnimesh.profiles.v1.CustomerViewService/GetCustomerView",
            Self::GetSession => "/omnimesh.sessions.v1.SessionService/GetSession",
        })
    }

    /// Callers of it.
    pub(super) fn prepare(self, world: &World, callers: usize) -> Result<Prepared> {
        let ready = (self == Self::PlaceOrder).then(Ready::default);
        let callers = (0..callers).map(|caller| {
            let client = RawClient::new(world.channel(caller));
            let next = self.next(world, caller, callers, ready.clone())?;
            Ok(match self {
                Self::ImportOrders => Caller::Import(Box::new(Import::new(client, self.path(), next))),
                _ => Caller::unary(client, self.path(), next),
            })
        });
        Ok(Prepared { callers: callers.collect::<Result<_>>()?, ready })
    }

    /// What a caller calls with. Callers share nothing: each has carts and sessions of its own.
    fn next(self, world: &World, caller: usize, callers: usize, ready: Option<Ready>) -> Result<Next> {
        let own = |all: &[Authorization]| -> Vec<_> { all.iter().skip(caller).step_by(callers).cloned().collect() };
        let mut turn = 0;
        let mut round_robin = move |length: usize| {
            turn += 1;
            turn % length.max(1)
        };
        Ok(match self {
            Self::AddLine => {
                let (shoppers, skus) = (own(&world.shoppers), world.cart_skus.clone());
                Box::new(move || {
                    let turn = round_robin(shoppers.len() * skus.len());
                    let request = AddLineRequest {
                        sku: skus.get(turn / shoppers.len())?.clone(),
                        quantity: 1,
                        currency_code: "TRY".into(),
                        request_id: request_id(),
                        ..AddLineRequest::default()
                    };
                    Some((shoppers.get(turn % shoppers.len()).cloned(), request.encode_to_vec().into()))
                })
            }
            Self::GetCart => fixed(own(&world.shoppers), Bytes::from(GetCartRequest::default().encode_to_vec())),
            Self::GetSession => fixed(own(&world.shoppers), Bytes::from(GetSessionRequest {}.encode_to_vec())),
            Self::PlaceOrder => {
                let ready = ready.context("orders need carts")?;
                Box::new(move || {
                    let (who, body) = ready.lock().ok()?.pop_front()?;
                    Some((Some(who), body))
                })
            }
            Self::ImportOrders => {
                let (who, stream) = (world.admin.clone(), uuid_v7(Clock::System.now()).simple().to_string());
                let number = AtomicU64::new(0);
                Box::new(move || {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    Some((Some(who.clone()), document(&format!("{stream}-{number}"), number).encode_to_vec().into()))
                })
            }
            Self::GetCustomerView => {
                let (who, customers) = (world.admin.clone(), world.customers.clone());
                Box::new(move || {
                    let profile_id = customers.get((caller + round_robin(customers.len())) % customers.len())?.clone();
                    Some((Some(who.clone()), GetCustomerViewRequest { profile_id }.encode_to_vec().into()))
                })
            }
        })
    }
}

/// The same call, by one after the other.
fn fixed(who: Vec<Authorization>, body: Bytes) -> Next {
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        Some((who.get(turn % who.len().max(1)).cloned(), body.clone()))
    })
}

/// An order of the past, of one of ten thousand customers.
fn document(id: &str, number: u64) -> ImportOrdersRequest {
    let lira = |units| Some(Money { currency_code: "TRY".into(), units, nanos: 0 });
    let lines = (1..=3).map(|place| OrderLine {
        line_id: place.to_string(),
        sku: format!("SKU-{:04}", (number * 7 + place) % 1_000),
        name: "An article of the other system".into(),
        quantity: i64::try_from(place).unwrap_or(1),
        unit_price: lira(19),
        kind: LineKind::Sale.into(),
        ..OrderLine::default()
    });
    let day = i64::try_from(number % 365).unwrap_or_default();
    ImportOrdersRequest {
        document: Some(ImportDocument {
            account_id: "bench".into(),
            channel_order_id: id.to_owned(),
            kind: DocumentKind::Sale.into(),
            mode: ImportMode::Historical.into(),
            channel: Channel::Marketplace.into(),
            currency_code: "TRY".into(),
            place_time: Some(prost_types::Timestamp { seconds: 1_750_000_000 + day * 86_400, nanos: 0 }),
            customer_ref: format!("customer-{}", number % 10_000),
            country: "TR".into(),
            lines: lines.collect(),
            ..ImportDocument::default()
        }),
    }
}
