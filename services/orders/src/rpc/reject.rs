//! The location can't fulfil the group. The order stays and says so, the stock that the store says it does not have stops being
//! bound, and nothing is rerouted silently: the customer decides, or the retailer for them (CancelOrder).

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{RejectRequest, RejectResponse};
use tonic::Response;

use super::{GroupRef, change_group};
use crate::{app::App, domain::GroupStep, error::Error};

pub(super) async fn run(app: &App, call: &Call, request: RejectRequest) -> Result<Response<RejectResponse>, Error> {
    let mut v = Violations::new();
    let reason = v.text("reason", &request.reason, 1..=200).unwrap_or_default();
    let group = GroupRef::check(v, request.group.as_ref())?;
    let method = "orders.v1.FulfillmentService/Reject";
    change_group(
        app,
        call,
        method,
        (&request, &group),
        (&reason, "the store rejected the goods"),
        |order, id, cause| order.step_group(id, GroupStep::Reject, cause),
        |order| RejectResponse { order: Some(order) },
    )
    .await
}
