//! GetOrderSync: what the marketplace has of an order, and what it was told.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::channels::v1::{GetOrderSyncRequest, GetOrderSyncResponse};
use tonic::Response;

use crate::{
    app::App,
    domain::{OrderId, action::Action, unit::Unit},
    error::Error,
    store::{actions, units},
};

pub(super) async fn run(
    app: &App,
    _: &Call,
    request: GetOrderSyncRequest,
) -> Result<Response<GetOrderSyncResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<OrderId>("order_id", &request.order_id);
    let (id,) = v.finish_with((id,))?;
    let mut conn = app.deps.db.read().await?;
    let units = units::of_order(&mut conn, id).await?;
    if units.is_empty() {
        return Err(Error::NoSuchOrder);
    }
    let actions = actions::of_order(&mut conn, id).await?;
    Ok(Response::new(GetOrderSyncResponse {
        units: units.iter().map(Unit::to_proto).collect(),
        actions: actions.iter().map(Action::to_proto).collect(),
    }))
}
