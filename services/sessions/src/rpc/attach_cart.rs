//! AttachCart: carts says which cart a session works on.

use omnimesh_kit::{call::Call, error::Fault, ids::SessionId, transaction, validate::Violations};
use omnimesh_proto::sessions::v1::{AttachCartRequest, AttachCartResponse};
use tonic::Response;

use super::App;
use crate::{domain::session::Session, error::Error, store};

/// How often to try when the session changes at the same time.
const TRIES: u32 = 5;

pub(super) async fn run(app: &App, _: Call, request: AttachCartRequest) -> Result<Response<AttachCartResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<SessionId>("session_id", &request.session_id);
    let cart = v.text("cart_id", &request.cart_id, 1..=64);
    let (id, cart) = v.finish_with((id, cart))?;
    for left in (0..TRIES).rev() {
        match attach(app, id, &cart).await {
            Err(Error::SessionChanged) if left > 0 => {}
            done => {
                let version = done?;
                app.deps.sessions.set_cart(id, Some(&cart), version).await?;
                break;
            }
        }
    }
    Ok(Response::new(AttachCartResponse {}))
}

async fn attach(app: &App, id: SessionId, cart: &str) -> Result<i64, Error> {
    transaction!(app.deps.db, tx => {
        let found = store::sessions::by_id(&mut tx, id).await?.filter(|session| session.is_open(app.now()));
        let session = found.ok_or_else(|| Fault::not_found("session", id.to_string()))?;
        let mut version = session.version;
        if session.cart.as_deref() != Some(cart) {
            version += 1;
            let attached = Session { cart: Some(cart.to_owned()), version, ..session };
            if !store::sessions::update(&mut tx, &attached).await? {
                Err(Error::SessionChanged)?;
            }
        }
        Ok::<_, Error>(version)
    })
}
