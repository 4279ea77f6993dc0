//! The goods are on their way back.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{ShipReturnRequest, ShipReturnResponse};
use tonic::Response;

use super::{By, ReturnRef, change_return};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ShipReturnRequest,
) -> Result<Response<ShipReturnResponse>, Error> {
    let mut v = Violations::new();
    let carrier = v.text("carrier", &request.carrier, 1..=100);
    let tracking = v.text("tracking_number", &request.tracking_number, 0..=100);
    let named = ReturnRef::check(v, request.return_ref.as_ref())?;
    let (carrier, tracking) = (carrier.unwrap_or_default(), tracking.unwrap_or_default());
    change_return(
        app,
        call,
        "orders.v1.ReturnService/ShipReturn",
        (&request, &named, By::Anybody),
        "",
        |order, id, cause| order.ship_return(id, &carrier, &tracking, cause),
        |order_return| ShipReturnResponse { order_return: Some(order_return) },
    )
    .await
}
