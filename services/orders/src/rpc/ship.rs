//! The goods left.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{ShipRequest, ShipResponse};
use tonic::Response;

use super::{GroupRef, change_group};
use crate::{app::App, domain::GroupStep, error::Error};

pub(super) async fn run(app: &App, call: &Call, request: ShipRequest) -> Result<Response<ShipResponse>, Error> {
    let mut v = Violations::new();
    let carrier = v.text("carrier", &request.carrier, 1..=100).unwrap_or_default();
    let tracking = v.text("tracking_number", &request.tracking_number, 0..=100).unwrap_or_default();
    let group = GroupRef::check(v, request.group.as_ref())?;
    let method = "orders.v1.FulfillmentService/Ship";
    change_group(
        app,
        call,
        method,
        (&request, &group),
        ("", ""),
        |order, id, cause| {
            order.step_group(id, GroupStep::Ship, cause)?;
            order.set_carrier(id, &carrier, &tracking)
        },
        |order| ShipResponse { order: Some(order) },
    )
    .await
}
