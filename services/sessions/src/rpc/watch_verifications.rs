//! WatchVerifications: codes to deliver, those that are open first, then new ones as they arise.

use std::collections::HashSet;

use futures::{StreamExt as _, stream};
use omnimesh_kit::{call::Call, error::Fault};
use omnimesh_proto::{
    events::v1::Event,
    sessions::v1::{VerificationRequested, WatchVerificationsRequest, WatchVerificationsResponse},
};
use prost::{Message as _, Name as _};
use tonic::Response;

use super::{App, Inner, Verifications};
use crate::{
    domain::verification::{OpenCode, VerificationId},
    error::Error,
    store,
};

pub(super) async fn run(app: &App, _: Call, _: WatchVerificationsRequest) -> Result<Response<Verifications>, Error> {
    // Subscribed before the open codes are read: none falls between.
    let events = app.deps.tail.subscribe();
    let mut conn = app.deps.db.read().await?;
    let open = store::verifications::open_codes(&mut conn, app.now()).await?;
    drop(conn);
    let sent: HashSet<VerificationId> = open.iter().map(|code| code.id).collect();
    let first = open.into_iter().map(|code| Ok(app.delivery(&code)?)).collect::<Vec<_>>();
    let app = app.clone();
    let new = events.filter_map(move |event| {
        let app = app.clone();
        let id = requested(&event).filter(|id| !sent.contains(id));
        async move {
            match app.arisen(id?).await {
                Ok(Some(code)) => Some(Ok(code)),
                // Completed, expired or erased before it was read.
                Ok(None) => None,
                Err(error) => Some(Err(error.into())),
            }
        }
    });
    Ok(Response::new(Box::pin(stream::iter(first).chain(new))))
}

fn requested(event: &Event) -> Option<VerificationId> {
    if event.r#type != VerificationRequested::full_name() {
        return None;
    }
    VerificationRequested::decode(event.payload.clone()).ok()?.verification_id.parse().ok()
}

impl Inner {
    async fn arisen(&self, id: VerificationId) -> Result<Option<WatchVerificationsResponse>, Error> {
        let mut conn = self.deps.db.read().await?;
        let code = store::verifications::open_code(&mut conn, id, self.now()).await?;
        Ok(code.map(|code| self.delivery(&code)).transpose()?)
    }

    fn delivery(&self, code: &OpenCode) -> Result<WatchVerificationsResponse, Fault> {
        let contact = self.open_contact(code.id, &code.contact_sealed)?;
        let sealer = self.deps.secrets.sealer("verification-code");
        let digits = sealer.open(code.id.0.as_bytes(), &code.code_sealed).map_err(Fault::internal)?;
        Ok(WatchVerificationsResponse {
            verification_id: code.id.to_string(),
            contact: Some(contact.to_proto()),
            code: String::from_utf8(digits).map_err(Fault::internal)?,
            locale: code.locale.clone(),
            expire_time: Some(code.expires_at.to_proto()),
        })
    }
}
