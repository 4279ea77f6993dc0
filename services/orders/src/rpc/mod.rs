//! The four servers; one file per use case, and here what several of them share.

mod accept;
mod cancel_order;
mod confirm_pickup;
mod deliver;
mod export_orders;
mod filter;
mod get_order;
mod get_pickup_code;
mod import_orders;
mod list_order_events;
mod list_orders;
mod list_refund_tasks;
mod mark_no_show;
mod mark_ready;
mod pack;
mod place_order;
mod record_payment;
mod reject;
mod returns;
mod ship;
mod watch_orders;

use std::{fmt, pin::Pin, sync::Arc};

use futures::Stream;
use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once,
    store::Tx,
    validate::Violations,
};
use omnimesh_proto::orders::v1::{
    self as proto, fulfillment_service_server::FulfillmentService, order_service_server::OrderService,
    payment_service_server::PaymentService,
};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    access::{visible, works_for},
    app::App,
    domain::{Cause, GroupId, Order, OrderId, OrderState, Refused},
    error::Error,
    store::{orders, payments, tasks, tasks::TaskKind},
    wire,
};

#[cfg(test)]
pub(crate) use place_order::stopped::place_until;

pub(crate) use returns::Returns;

type Out<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

macro_rules! server {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub(crate) struct $name(pub(crate) Arc<App>);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
use server;

server!(
    /// Orders.
    Orders
);
server!(
    /// Fulfilment.
    Fulfillment
);
server!(
    /// Payments.
    Payments
);

macro_rules! unary {
    ($($name:ident($request:ident) -> $response:ident),+ $(,)?) => {
        // As async_trait writes it: the attribute does not see through a macro.
        $(fn $name<'life0, 'async_trait>(
            &'life0 self,
            request: Request<proto::$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<proto::$response>, Status>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                let call = Call::of(&request)?;
                $name::run(&self.0, &call, request.into_inner()).await.map_err(Status::from)
            })
        })+
    };
}
use unary;

#[tonic::async_trait]
impl OrderService for Orders {
    type ImportOrdersStream = Out<proto::ImportOrdersResponse>;
    type ExportOrdersStream = Out<proto::ExportOrdersResponse>;
    type WatchOrdersStream = Out<proto::WatchOrdersResponse>;

    unary! {
        place_order(PlaceOrderRequest) -> PlaceOrderResponse,
        get_order(GetOrderRequest) -> GetOrderResponse,
        list_orders(ListOrdersRequest) -> ListOrdersResponse,
        cancel_order(CancelOrderRequest) -> CancelOrderResponse,
        list_order_events(ListOrderEventsRequest) -> ListOrderEventsResponse,
        get_pickup_code(GetPickupCodeRequest) -> GetPickupCodeResponse,
    }

    async fn import_orders(
        &self,
        request: Request<Streaming<proto::ImportOrdersRequest>>,
    ) -> Result<Response<Self::ImportOrdersStream>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(import_orders::run(&self.0, call, request.into_inner())))
    }

    async fn export_orders(
        &self,
        request: Request<proto::ExportOrdersRequest>,
    ) -> Result<Response<Self::ExportOrdersStream>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(export_orders::run(&self.0, &call, request.into_inner()).await?))
    }

    async fn watch_orders(
        &self,
        request: Request<proto::WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(watch_orders::run(&self.0, call, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl FulfillmentService for Fulfillment {
    unary! {
        accept(AcceptRequest) -> AcceptResponse,
        reject(RejectRequest) -> RejectResponse,
        pack(PackRequest) -> PackResponse,
        mark_ready(MarkReadyRequest) -> MarkReadyResponse,
        confirm_pickup(ConfirmPickupRequest) -> ConfirmPickupResponse,
        ship(ShipRequest) -> ShipResponse,
        deliver(DeliverRequest) -> DeliverResponse,
        mark_no_show(MarkNoShowRequest) -> MarkNoShowResponse,
    }
}

#[tonic::async_trait]
impl PaymentService for Payments {
    unary! {
        record_payment(RecordPaymentRequest) -> RecordPaymentResponse,
        list_refund_tasks(ListRefundTasksRequest) -> ListRefundTasksResponse,
    }
}

/// Keeps a changed order.
pub(crate) async fn save(tx: &mut Tx, call: &Call, order: &mut Order) -> Result<(), Error> {
    if orders::save(tx, call, order).await? { Ok(()) } else { Err(Error::Contention) }
}

/// Keeps a changed order with what follows from the change: refund tasks, and the release of what an ended order still holds.
async fn save_with_consequences(
    tx: &mut Tx,
    call: &Call,
    order: &mut Order,
    why: &str,
) -> Result<Option<crate::domain::RefundTaskId>, Error> {
    let ended = order.changes.iter().any(|change| {
        use crate::domain::OrderChange;
        matches!(change.what, OrderChange::Order(OrderState::Cancelled | OrderState::Expired))
    });
    save(tx, call, order).await?;
    if ended {
        tasks::add(tx, order.id, TaskKind::Release, "").await?;
    }
    Ok(payments::settle_refunds(tx, order, why).await?)
}

/// The order, locked, if the caller may know of it and saw it as it is.
async fn lock(tx: &mut Tx, call: &Call, id: OrderId, expected_version: i64) -> Result<Order, Error> {
    let found = orders::lock(tx, id).await?;
    let order = visible(tx, call, found).await?;
    if expected_version != 0 && expected_version != order.version {
        return Err(Error::Changed { id: id.to_string(), current: order.version });
    }
    Ok(order)
}

/// A checked [`proto::GroupRef`].
#[derive(Clone, Debug)]
struct GroupRef {
    order: OrderId,
    group: Option<GroupId>,
    expected_version: i64,
    request_id: String,
}

impl GroupRef {
    /// Checks it; `v` may hold violations of the request's other fields.
    fn check(mut v: Violations, group: Option<&proto::GroupRef>) -> Result<Self, Error> {
        let group = v.required("group", group);
        let parts = group.map(|group| {
            let order = v.parse("group.order_id", &group.order_id);
            let id = v.parse_optional("group.group_id", &group.group_id);
            let version = v.range("group.expected_version", group.expected_version, 0..=i64::MAX);
            (order, id, version, Some(group.request_id.clone()))
        });
        let (order, group, expected_version, request_id) = v.finish_with(parts.unwrap_or_default())?;
        Ok(Self { order, group, expected_version, request_id })
    }

    /// The order and the group's id, if the caller may change the group.
    async fn lock(&self, tx: &mut Tx, call: &Call) -> Result<(Order, GroupId), Error> {
        let order = lock(tx, call, self.order, self.expected_version).await?;
        let group = order.group_named(self.group)?;
        works_for(call, group)?;
        let id = group.id;
        Ok((order, id))
    }
}

/// A change of a group and nothing else: once per request id.
async fn change_group<Q, R>(
    app: &App,
    call: &Call,
    method: &'static str,
    (request, group): (&Q, &GroupRef),
    (reason, why): (&str, &str),
    change: impl Fn(&mut Order, GroupId, &Cause) -> Result<(), Refused> + Send + Sync,
    reply: impl Fn(proto::Order) -> R + Send + Sync,
) -> Result<Response<R>, Error>
where
    Q: Message,
    R: Message + Default,
{
    let once = Once::new(call, method, &group.request_id, request)?;
    let reply: Result<Reply<R>, Error> = once!(app.deps.db, once, tx => {
        let (mut order, id) = group.lock(&mut tx, call).await?;
        let cause = Cause::of(call, tx.now()).because(reason);
        change(&mut order, id, &cause)?;
        save_with_consequences(&mut tx, call, &mut order, why).await?;
        Ok::<_, Error>(reply(wire::order(&order)))
    });
    app.wake.notify_one();
    Ok(reply?.into_response())
}
