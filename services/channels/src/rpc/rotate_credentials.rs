//! RotateCredentials: the new ones take the old ones' place.

use omnimesh_kit::{call::Call, idempotency::Once, once};
use omnimesh_proto::channels::v1::{RotateCredentialsRequest, RotateCredentialsResponse};
use tonic::Response;

use super::{account, account_id, fields, shown};
use crate::{app::App, error::Error, store::accounts};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: RotateCredentialsRequest,
) -> Result<Response<RotateCredentialsResponse>, Error> {
    let once = Once::new(call, "channels.v1.ChannelService/RotateCredentials", &request.request_id, &request)?;
    let id = account_id(&request.account_id)?;
    let vendor = account(&mut app.deps.db.read().await?, id).await?.vendor;
    fields::check(app, call, &vendor, &request.fields).await?;
    let sealed = fields::seal(app, id, &request.fields)?;
    let reply = once!(app.deps.db, once, tx => {
        accounts::rotate(&mut tx, id, sealed.clone()).await?;
        let account = account(&mut tx, id).await?;
        let now = tx.now();
        Ok::<_, Error>(RotateCredentialsResponse { account: Some(shown(&mut tx, &account, now).await?) })
    })?;
    Ok(reply.into_response())
}
