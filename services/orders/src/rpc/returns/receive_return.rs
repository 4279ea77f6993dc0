//! Goods arrive, all or some: at a store of the staff member, whichever sold them.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call,
    error::Fault,
    idempotency::{Once, Reply},
    validate::Violations,
};
use omnimesh_proto::{
    catalog::v1::{
        GetAvailabilityRequest, GetLocationRequest, location_service_client::LocationServiceClient,
        stock_service_client::StockServiceClient,
    },
    orders::v1::{ReceiveReturnRequest, ReceiveReturnResponse, ReturnCondition},
};
use tonic::{Code, Response};

use super::{By, ReturnRef, change_return, known_location};
use crate::{
    access::works_at,
    app::App,
    domain::{Condition, Order, Received},
    error::Error,
    store::{orders, returns},
};

const METHOD: &str = "orders.v1.ReturnService/ReceiveReturn";

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
            known: true,
        });
    }
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    // Before others are asked, who may not answer now.
    let once = Once::new(call, METHOD, &named.request_id, &request)?;
    if let Some(message) = once.stored::<ReceiveReturnResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message, replayed: true }.into_response());
    }
    let location = location.unwrap_or_default();
    known_location(app, call, &location).await?;
    // Whose store it is matters only to those who may know of the return.
    named.read(&mut app.deps.db.read().await?, call, By::AnyStore).await.map(drop).or_else(|error| match error {
        Error::Changed { .. } => Ok(()),
        other => Err(other),
    })?;
    works_at(call, &location)?;
    ask_catalog(app, call, &named, &location, &mut parts).await?;
    change_return(
        app,
        call,
        METHOD,
        (&request, &named, By::AnyStore),
        "",
        |order, id, cause| order.receive_return(id, &location, &parts, cause),
        |order_return| ReceiveReturnResponse { order_return: Some(order_return) },
    )
    .await
}

/// Finds out what of the goods can go back to stock at the location. What can't is received nevertheless, and said.
async fn ask_catalog(
    app: &App,
    call: &Call,
    named: &ReturnRef,
    location_id: &str,
    parts: &mut [Received],
) -> Result<(), Error> {
    let mut conn = app.deps.db.read().await?;
    let id = returns::order_of_return(&mut conn, named.id).await?.ok_or(Error::NoSuchReturn)?;
    let order = orders::find(&mut conn, id).await?.ok_or(Error::NoSuchReturn)?;
    drop(conn);
    let request = GetLocationRequest { location_id: location_id.to_owned() };
    let found = LocationServiceClient::new(app.link("catalog", call)).get_location(request).await;
    let location_known = unless_unknown(found.map(|_| true))?;
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    for part in parts.iter_mut().filter(|part| part.condition == Condition::Sellable) {
        let Some(sku) = sku_of(&order, &part.line_id) else { continue };
        let sku_known = match known.get(sku) {
            Some(known) => *known,
            None => {
                let found = is_known(app, call, sku).await?;
                known.insert(sku.to_owned(), found);
                found
            }
        };
        part.known = location_known && sku_known;
        if !part.known {
            let quantity = part.quantity;
            tracing::warn!(
                order.id = %order.id, order_return.id = %named.id, sku, sku.known = sku_known, location.id = location_id,
                location.known = location_known, quantity, "returned goods go to no stock: the catalog does not know them"
            );
        }
    }
    Ok(())
}

fn sku_of<'a>(order: &'a Order, line_id: &str) -> Option<&'a str> {
    order.lines.iter().find(|line| line.id == line_id).map(|line| line.sku.as_str())
}

async fn is_known(app: &App, call: &Call, sku: &str) -> Result<bool, Error> {
    let request = GetAvailabilityRequest { skus: vec![sku.to_owned()], ..GetAvailabilityRequest::default() };
    let answer = StockServiceClient::new(app.link("catalog", call)).get_availability(request).await;
    unless_unknown(answer.map(|answer| answer.into_inner().availabilities.first().is_some_and(|found| found.known)))
}

/// What is no SKU or location in the first place, as a marketplace may call its goods, is not known either.
fn unless_unknown(answer: Result<bool, tonic::Status>) -> Result<bool, Error> {
    match answer {
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(false),
        answer => Ok(answer.map_err(Fault::upstream)?),
    }
}
