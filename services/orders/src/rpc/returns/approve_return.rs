//! Somebody of the retailer allows a return.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{ApproveReturnRequest, ApproveReturnResponse};
use tonic::Response;

use super::{By, ReturnRef, change_return};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ApproveReturnRequest,
) -> Result<Response<ApproveReturnResponse>, Error> {
    let named = ReturnRef::check(Violations::new(), request.return_ref.as_ref())?;
    change_return(
        app,
        call,
        "orders.v1.ReturnService/ApproveReturn",
        (&request, &named, By::ItsStore),
        "",
        |order, id, cause| order.approve_return(id, cause),
        |order_return| ApproveReturnResponse { order_return: Some(order_return) },
    )
    .await
}
