//! CreateAccount: credentials are checked against what the connector lists, sealed and kept.

use omnimesh_kit::{
    call::Call,
    error::Fault,
    idempotency::{Once, Reply},
    once,
    validate::Violations,
};
use omnimesh_proto::channels::v1::{CreateAccountRequest, CreateAccountResponse};
use tonic::Response;

use super::{fields, shown};
use crate::{
    app::App,
    domain::{AccountId, account::Account},
    error::Error,
    store::accounts,
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: CreateAccountRequest,
) -> Result<Response<CreateAccountResponse>, Error> {
    let once = Once::new(call, "channels.v1.ChannelService/CreateAccount", &request.request_id, &request)?;
    let mut v = Violations::new();
    let display_name = v.text("display_name", &request.display_name, 1..=100);
    v.check("vendor", fields::is_connector(&request.vendor), "the name of a connector is accepted");
    let (display_name,) = v.finish_with((display_name,))?;
    if let Some(message) = once.stored::<CreateAccountResponse, Error>(&app.deps.db).await? {
        return Ok(Reply { message, replayed: true }.into_response());
    }
    fields::check(app, call, &request.vendor, &request.fields).await?;
    let now = app.now();
    let id = AccountId::new(now);
    let account = Account {
        id,
        vendor: request.vendor.clone(),
        display_name,
        active: true,
        credentials: fields::seal(app, id, &request.fields)?,
        credentials_version: 1,
        cursor: Vec::new(),
        pulled_at: None,
        problem: String::new(),
        failures: 0,
        created_at: now,
    };
    let reply = once!(app.deps.db, once, tx => {
        accounts::insert(&mut tx, &account).await?;
        let account = accounts::by_id(&mut tx, id).await?.ok_or_else(|| Fault::internal("an account is not there"))?;
        Ok::<_, Error>(CreateAccountResponse { account: Some(shown(&mut tx, &account, now).await?) })
    })?;
    Ok(reply.into_response())
}
