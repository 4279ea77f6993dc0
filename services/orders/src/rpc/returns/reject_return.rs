//! Somebody of the retailer refuses a return, and says why.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{RejectReturnRequest, RejectReturnResponse};
use tonic::Response;

use super::{By, ReturnRef, change_return};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: RejectReturnRequest,
) -> Result<Response<RejectReturnResponse>, Error> {
    let mut v = Violations::new();
    let reason = v.text("reason", &request.reason, 1..=500);
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    change_return(
        app,
        call,
        "orders.v1.ReturnService/RejectReturn",
        (&request, &named, By::ItsStore),
        &reason.unwrap_or_default(),
        |order, id, cause| order.reject_return(id, cause),
        |order_return| RejectReturnResponse { order_return: Some(order_return) },
    )
    .await
}
