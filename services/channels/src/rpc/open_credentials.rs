//! OpenCredentials: for the connector of the account's own vendor only.

use omnimesh_kit::call::Call;
use omnimesh_proto::channels::v1::{OpenCredentialsRequest, OpenCredentialsResponse};
use tonic::Response;

use super::fields;
use crate::{app::App, domain::account::Account, error::Error, store::accounts};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: OpenCredentialsRequest,
) -> Result<Response<OpenCredentialsResponse>, Error> {
    let id = Account::of_ref(&request.credentials_ref).ok_or(Error::NoSuchAccount)?;
    let account = accounts::by_id(&mut app.deps.db.read().await?, id).await?;
    let account = account.filter(|account| call.is_from(&account.vendor)).ok_or(Error::NoSuchAccount)?;
    Ok(Response::new(OpenCredentialsResponse { fields: fields::open(app, id, &account.credentials)? }))
}
