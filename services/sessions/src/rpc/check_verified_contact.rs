//! CheckVerifiedContact: whether a session, or its profile, proved an address.

use omnimesh_kit::{call::Call, contact::Contact, ids::SessionId, validate::Violations};
use omnimesh_proto::sessions::v1::{CheckVerifiedContactRequest, CheckVerifiedContactResponse};
use tonic::Response;

use super::App;
use crate::{error::Error, store};

pub(super) async fn run(
    app: &App,
    _: Call,
    request: CheckVerifiedContactRequest,
) -> Result<Response<CheckVerifiedContactResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<SessionId>("session_id", &request.session_id);
    let (id,) = v.finish_with((id,))?;
    let session = app.open_session(id).await?;
    let locale = session.locale.parse().ok();
    let mut v = Violations::new();
    let contact = v.accept("contact", Contact::parse(&request.contact.unwrap_or_default(), locale.as_ref()));
    let (contact,) = v.finish_with((contact,))?;
    let mut conn = app.deps.db.read().await?;
    let verified = store::verifications::has_proved(&mut conn, id, &app.contact_hash(&contact)).await?;
    Ok(Response::new(CheckVerifiedContactResponse { verified }))
}
