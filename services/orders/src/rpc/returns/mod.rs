//! Returns; one file per use case, and here what several of them share.

mod approve_return;
mod close_return;
mod get_return;
mod list_returns;
mod receive_return;
mod refund_return;
mod reject_return;
mod replace_return;
mod request_return;
mod ship_return;

use std::{collections::BTreeSet, fmt, pin::Pin, sync::Arc};

use omnimesh_kit::{
    call::Call,
    idempotency::{Once, Reply},
    once,
    store::{Conn, Tx},
    validate::Violations,
};
use omnimesh_proto::{
    catalog::v1::{GetLocationRequest, location_service_client::LocationServiceClient},
    orders::v1::{self as proto, return_service_server::ReturnService},
};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{save_with_consequences, unary};
use crate::{
    access::{Viewer, takes_returns, works_at},
    app::App,
    domain::{Cause, Held, Order, Refused, Return, ReturnId},
    error::Error,
    store::{orders, returns},
    wire,
};

super::server!(
    /// Returns.
    Returns
);

#[tonic::async_trait]
impl ReturnService for Returns {
    unary! {
        request_return(RequestReturnRequest) -> RequestReturnResponse,
        approve_return(ApproveReturnRequest) -> ApproveReturnResponse,
        reject_return(RejectReturnRequest) -> RejectReturnResponse,
        ship_return(ShipReturnRequest) -> ShipReturnResponse,
        receive_return(ReceiveReturnRequest) -> ReceiveReturnResponse,
        refund_return(RefundReturnRequest) -> RefundReturnResponse,
        replace_return(ReplaceReturnRequest) -> ReplaceReturnResponse,
        close_return(CloseReturnRequest) -> CloseReturnResponse,
        get_return(GetReturnRequest) -> GetReturnResponse,
        list_returns(ListReturnsRequest) -> ListReturnsResponse,
    }
}

/// Why refund tasks are raised by returns.
const WHY: &str = "goods came back";

/// A checked [`proto::ReturnRef`].
#[derive(Clone, Debug)]
struct ReturnRef {
    id: ReturnId,
    expected_version: i64,
    request_id: String,
}

/// Who may change a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Staff of the store that has it; of any, while none has.
    ItsStore,
    /// Staff of any store, at a store of their own.
    AnyStore,
    /// Whoever may know of it.
    Anybody,
}

impl ReturnRef {
    /// Checks it; `v` may hold violations of the request's other fields.
    fn check(mut v: Violations, named: Option<&proto::ReturnRef>) -> Result<Self, Error> {
        let named = v.required("return_ref", named);
        let parts = named.map(|named| {
            let id = v.parse("return_ref.return_id", &named.return_id);
            let version = v.range("return_ref.expected_version", named.expected_version, 0..=i64::MAX);
            (id, version, Some(named.request_id.clone()))
        });
        let (id, expected_version, request_id) = v.finish_with(parts.unwrap_or_default())?;
        Ok(Self { id, expected_version, request_id })
    }

    /// The order, locked, if the caller may change the return and saw it as it is.
    async fn lock(&self, tx: &mut Tx, call: &Call, by: By) -> Result<Order, Error> {
        let id = returns::order_of_return(tx, self.id).await?.ok_or(Error::NoSuchReturn)?;
        let order = orders::lock(tx, id).await?.ok_or(Error::NoSuchReturn)?;
        self.admit(tx, call, &order, by).await?;
        Ok(order)
    }

    /// The order as it is, for what happens before a transaction.
    async fn read(&self, conn: &mut Conn, call: &Call, by: By) -> Result<Order, Error> {
        let id = returns::order_of_return(conn, self.id).await?.ok_or(Error::NoSuchReturn)?;
        let order = orders::find(conn, id).await?.ok_or(Error::NoSuchReturn)?;
        self.admit(conn, call, &order, by).await?;
        Ok(order)
    }

    async fn admit(&self, conn: &mut Conn, call: &Call, order: &Order, by: By) -> Result<(), Error> {
        let found = order.return_of(self.id)?;
        let any_store = by == By::AnyStore && takes_returns(call);
        let admitted = any_store || Viewer::of(conn, call).await?.sees_return(order, found);
        if !admitted {
            return Err(Error::NoSuchReturn);
        }
        if by == By::ItsStore && !found.location_id.is_empty() {
            works_at(call, &found.location_id)?;
        }
        if self.expected_version != 0 && self.expected_version != found.version {
            return Err(Error::Changed { id: found.id.to_string(), current: found.version });
        }
        Ok(())
    }
}

/// A change of a return and nothing else: once per request id.
async fn change_return<Q, R>(
    app: &App,
    call: &Call,
    method: &'static str,
    (request, named, by): (&Q, &ReturnRef, By),
    reason: &str,
    change: impl Fn(&mut Order, ReturnId, &Cause) -> Result<(), Refused> + Send + Sync,
    reply: impl Fn(proto::Return) -> R + Send + Sync,
) -> Result<Response<R>, Error>
where
    Q: Message,
    R: Message + Default,
{
    let once = Once::new(call, method, &named.request_id, request)?;
    let reply: Result<Reply<R>, Error> = once!(app.deps.db, once, tx => {
        let mut order = named.lock(&mut tx, call, by).await?;
        let cause = Cause::of(call, tx.now()).because(reason);
        change(&mut order, named.id, &cause)?;
        save_with_consequences(&mut tx, call, &mut order, WHY).await?;
        Ok::<_, Error>(reply(shown(&order, named.id)?))
    });
    Ok(reply?.into_response())
}

fn shown(order: &Order, id: ReturnId) -> Result<proto::Return, Refused> {
    order.return_of(id).map(|found: &Return| wire::return_of(order, found))
}

/// The pieces that a request names: each line once.
fn check_pieces(v: &mut Violations, lines: &[proto::LineQuantity], least: usize) -> Vec<Held> {
    v.check("lines", (least..=500).contains(&lines.len()), format!("{least} to 500 are accepted"));
    let mut seen = BTreeSet::new();
    for (place, line) in lines.iter().enumerate() {
        v.range(&format!("lines[{place}].quantity"), line.quantity, 1..=1_000_000);
        let field = format!("lines[{place}].line_id");
        v.check(field.as_str(), !line.line_id.is_empty(), "must be given");
        v.check(field, seen.insert(line.line_id.as_str()), "must stand once");
    }
    lines.iter().map(|line| Held { line_id: line.line_id.clone(), quantity: line.quantity }).collect()
}

/// NOT_FOUND unless there is such a location. Staff name one of their own, which is known.
async fn known_location(app: &App, call: &Call, location_id: &str) -> Result<(), Error> {
    if location_id.is_empty() || takes_returns(call) {
        return Ok(());
    }
    let request = GetLocationRequest { location_id: location_id.to_owned() };
    let answer = LocationServiceClient::new(app.link("catalog", call)).get_location(request).await;
    Ok(answer.map(drop).map_err(omnimesh_kit::error::Fault::upstream)?)
}
