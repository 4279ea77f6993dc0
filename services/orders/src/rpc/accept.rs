//! The location takes the group.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{AcceptRequest, AcceptResponse};
use tonic::Response;

use super::{GroupRef, change_group};
use crate::{app::App, domain::GroupStep, error::Error};

pub(super) async fn run(app: &App, call: &Call, request: AcceptRequest) -> Result<Response<AcceptResponse>, Error> {
    let group = GroupRef::check(Violations::new(), request.group.as_ref())?;
    let method = "orders.v1.FulfillmentService/Accept";
    change_group(
        app,
        call,
        method,
        (&request, &group),
        ("", ""),
        |order, id, cause| order.step_group(id, GroupStep::Accept, cause),
        |order| AcceptResponse { order: Some(order) },
    )
    .await
}
