//! An order by id, or by the number that can be spoken.

use omnimesh_kit::{auth::SessionLevel, call::Call, error::Fault, validate::Violations};
use omnimesh_proto::{
    orders::v1::{GetOrderRequest, GetOrderResponse, get_order_request::Key},
    sessions::v1::{CheckVerifiedContactRequest, session_service_client::SessionServiceClient},
};
use tonic::Response;

use crate::{
    access::{Viewer, takes_returns, visible},
    app::App,
    domain::{Order, OrderId, OrderNumber},
    error::Error,
    store::orders,
    wire,
};

pub(super) async fn run(app: &App, call: &Call, request: GetOrderRequest) -> Result<Response<GetOrderResponse>, Error> {
    let order = match request.key {
        Some(Key::OrderId(id)) => {
            let mut v = Violations::new();
            let id = v.parse::<OrderId>("order_id", &id);
            let (id,) = v.finish_with((id,))?;
            let mut conn = app.deps.db.read().await?;
            let found = orders::find(&mut conn, id).await?;
            visible(&mut conn, call, found).await?
        }
        Some(Key::Number(number)) => {
            let mut v = Violations::new();
            let number = v.parse::<OrderNumber>("number", &number);
            let (number,) = v.finish_with((number,))?;
            let (order, seen) = {
                let mut conn = app.deps.db.read().await?;
                let order = orders::find_by_number(&mut conn, number.as_str()).await?.ok_or(Error::NoSuchOrder)?;
                let seen = Viewer::of(&mut conn, call).await?.sees(&order);
                // Whoever stands in a store with goods to give back has the number.
                let seen = seen || (takes_returns(call) && order.placed_at.is_some());
                (order, seen)
            };
            if !seen && !proved_contact(app, call, &order).await? {
                return Err(Error::NoSuchOrder);
            }
            order
        }
        None => return Err(Fault::invalid("key", "exactly one of order_id and number must be given").into()),
    };
    Ok(Response::new(GetOrderResponse { order: Some(wire::order(&order)) }))
}

/// Whether the caller's session has proved the order's contact.
async fn proved_contact(app: &App, call: &Call, order: &Order) -> Result<bool, Error> {
    let (Some(session), Some(contact), Some(_)) = (call.session(), &order.contact, order.placed_at) else {
        return Ok(false);
    };
    // What was handed over is a cart, whoever's the contact is.
    if session.level == SessionLevel::Linked {
        return Ok(false);
    }
    let request = CheckVerifiedContactRequest { session_id: session.id.to_string(), contact: Some(contact.to_proto()) };
    let answer = SessionServiceClient::new(app.link("sessions", call)).check_verified_contact(request).await;
    Ok(answer.map_err(Fault::upstream)?.into_inner().verified)
}
