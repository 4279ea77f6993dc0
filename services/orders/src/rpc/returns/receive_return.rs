//! Goods arrive, all or some: at a store of the staff member, whichever sold them.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{ReceiveReturnRequest, ReceiveReturnResponse, ReturnCondition};
use tonic::Response;

use super::{By, ReturnRef, change_return, known_location};
use crate::{
    access::works_at,
    app::App,
    domain::{Condition, Received},
    error::Error,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ReceiveReturnRequest,
) -> Result<Response<ReceiveReturnResponse>, Error> {
    let mut v = Violations::new();
    let location = v.text("location_id", &request.location_id, 1..=64);
    v.check("lines", (1..=500).contains(&request.lines.len()), "1 to 500 are accepted");
    let mut parts = Vec::new();
    for (place, line) in request.lines.iter().enumerate() {
        v.check(format!("lines[{place}].line_id"), !line.line_id.is_empty(), "must be given");
        v.range(&format!("lines[{place}].quantity"), line.quantity, 1..=1_000_000);
        let known = ReturnCondition::try_from(line.condition);
        v.check(format!("lines[{place}].condition"), known.is_ok(), "SELLABLE or DAMAGED is accepted");
        parts.push(Received {
            line_id: line.line_id.clone(),
            quantity: line.quantity,
            condition: known.ok().and_then(Condition::from_proto).unwrap_or(Condition::Sellable),
        });
    }
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    let location = location.unwrap_or_default();
    known_location(app, call, &location).await?;
    // Whose store it is matters only to those who may know of the return.
    named.read(&mut app.deps.db.read().await?, call, By::AnyStore).await.map(drop).or_else(|error| match error {
        Error::Changed { .. } => Ok(()),
        other => Err(other),
    })?;
    works_at(call, &location)?;
    change_return(
        app,
        call,
        "orders.v1.ReturnService/ReceiveReturn",
        (&request, &named, By::AnyStore),
        "",
        |order, id, cause| order.receive_return(id, &location, &parts, cause),
        |order_return| ReceiveReturnResponse { order_return: Some(order_return) },
    )
    .await
}
