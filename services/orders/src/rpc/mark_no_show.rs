//! Nobody came: the goods go back to stock, and what was paid for them to the customer.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{MarkNoShowRequest, MarkNoShowResponse};
use tonic::Response;

use super::{GroupRef, change_group};
use crate::{app::App, domain::GroupStep, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: MarkNoShowRequest,
) -> Result<Response<MarkNoShowResponse>, Error> {
    let group = GroupRef::check(Violations::new(), request.group.as_ref())?;
    let method = "orders.v1.FulfillmentService/MarkNoShow";
    change_group(
        app,
        call,
        method,
        (&request, &group),
        ("NO_SHOW", "the goods were not collected"),
        |order, id, cause| order.step_group(id, GroupStep::MarkNoShow, cause),
        |order| MarkNoShowResponse { order: Some(order) },
    )
    .await
}
