//! The goods arrived.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{DeliverRequest, DeliverResponse};
use tonic::Response;

use super::{GroupRef, change_group};
use crate::{app::App, domain::GroupStep, error::Error};

pub(super) async fn run(app: &App, call: &Call, request: DeliverRequest) -> Result<Response<DeliverResponse>, Error> {
    let group = GroupRef::check(Violations::new(), request.group.as_ref())?;
    let method = "orders.v1.FulfillmentService/Deliver";
    change_group(
        app,
        call,
        method,
        (&request, &group),
        ("", ""),
        |order, id, cause| order.step_group(id, GroupStep::Deliver, cause),
        |order| DeliverResponse { order: Some(order) },
    )
    .await
}
