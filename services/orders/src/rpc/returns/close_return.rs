//! A return ends: nothing more will arrive, and what arrived is settled.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{CloseReturnRequest, CloseReturnResponse};
use tonic::Response;

use super::{By, ReturnRef, change_return};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: CloseReturnRequest,
) -> Result<Response<CloseReturnResponse>, Error> {
    let mut v = Violations::new();
    let reason = v.text("reason", &request.reason, 1..=500);
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    change_return(
        app,
        call,
        "orders.v1.ReturnService/CloseReturn",
        (&request, &named, By::ItsStore),
        &reason.unwrap_or_default(),
        |order, id, cause| order.close_return(id, cause),
        |order_return| CloseReturnResponse { order_return: Some(order_return) },
    )
    .await
}
