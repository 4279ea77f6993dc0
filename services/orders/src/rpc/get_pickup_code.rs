//! The one-time code, for the customer who owns the order and for the back-end that sends it.

use omnimesh_kit::{call::Call, clock::Timestamp, error::Fault, validate::Violations};
use omnimesh_proto::{
    common::v1::ErrorReason,
    orders::v1::{GetPickupCodeRequest, GetPickupCodeResponse},
};
use tonic::Response;

use crate::{
    access::visible,
    app::App,
    domain::{GroupId, GroupState, OrderId},
    error::Error,
    pickup::PickupCode,
    store::{orders, pickups},
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: GetPickupCodeRequest,
) -> Result<Response<GetPickupCodeResponse>, Error> {
    let mut v = Violations::new();
    let order = v.parse::<OrderId>("order_id", &request.order_id);
    let group = v.parse_optional::<GroupId>("group_id", &request.group_id);
    let (order, group) = v.finish_with((order, group))?;
    let mut conn = app.deps.db.read().await?;
    // Messaging sends the code on the mesh's behalf, whoever made the goods ready.
    let found = orders::find(&mut conn, order).await?;
    let order = if call.is_from("messaging") {
        found.ok_or(Error::NoSuchOrder)?
    } else {
        visible(&mut conn, call, found).await?
    };
    let group = order.group_named(group)?;
    let sealed = match group.state {
        GroupState::ReadyForPickup => pickups::sealed(&mut conn, group.id).await?,
        _ => None,
    };
    let Some(sealed) = sealed else {
        let message =
            "the group does not wait for pickup: its code comes with READY_FOR_PICKUP and ends with the hand-over";
        return Err(Fault::precondition(ErrorReason::IllegalTransition, message)
            .metadata("state", group.state.as_str())
            .metadata("allowed", GroupState::ReadyForPickup.as_str())
            .into());
    };
    let code = PickupCode::open(&app.deps.secrets, group.id, &sealed);
    let code = code.ok_or_else(|| Fault::internal("a pickup code does not open: was the root secret replaced?"))?;
    Ok(Response::new(GetPickupCodeResponse {
        code: code.code,
        qr_token: code.qr_token,
        expire_time: group.pickup_expires_at.map(Timestamp::to_proto),
    }))
}
