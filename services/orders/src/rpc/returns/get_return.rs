//! A return.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{GetReturnRequest, GetReturnResponse};
use tonic::Response;

use super::{By, ReturnRef, shown};
use crate::{app::App, error::Error};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: GetReturnRequest,
) -> Result<Response<GetReturnResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse("return_id", &request.return_id);
    let (id,) = v.finish_with((id,))?;
    let named = ReturnRef { id, expected_version: 0, request_id: String::new() };
    let order = named.read(&mut app.deps.db.read().await?, call, By::Anybody).await?;
    Ok(Response::new(GetReturnResponse { order_return: Some(shown(&order, id)?) }))
}
