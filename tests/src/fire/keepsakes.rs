//! Sessions with a cart that nobody touches: they must outlive everything.

use omnimesh_proto::{
    carts::v1::{Cart, GetCartRequest, cart_service_client::CartServiceClient},
    sessions::v1::{GetSessionRequest, Session, session_service_client::SessionServiceClient},
};
use tonic::Status;

use super::{Field, buyer, insist::insist, stock::PLENTY};
use crate::Client;

const COUNT: i64 = 40;

/// A live session, and what it had at first.
pub(super) struct Keepsake {
    customer: Client,
    session: Session,
    cart: Cart,
    chance: u64,
}

/// Makes them.
pub(super) async fn make(field: &Field) -> Vec<Keepsake> {
    let mut kept = Vec::new();
    for number in 1..=COUNT {
        let seed = u64::MAX / 2 + number.unsigned_abs();
        let mut chance = field.chance(seed);
        let customer = buyer::start(field, &mut chance).await;
        buyer::add(field, &mut chance, &customer, PLENTY[0], number).await;
        let mut kept_one = Keepsake { customer, session: Session::default(), cart: Cart::default(), chance: seed };
        let (session, cart) = kept_one.now(field).await.expect("a new session answers");
        (kept_one.session, kept_one.cart) = (session, cart);
        kept.push(kept_one);
    }
    kept
}

impl Keepsake {
    async fn now(&self, field: &Field) -> Result<(Session, Cart), Status> {
        let (customer, mut chance) = (&self.customer, field.chance(self.chance));
        let session = insist(field, &mut chance, "GetSession", false, async || {
            SessionServiceClient::new(customer.channel()).get_session(customer.request(GetSessionRequest {})).await
        });
        let session = session.await?.session.unwrap_or_default();
        let cart = insist(field, &mut chance, "GetCart", false, async || {
            CartServiceClient::new(customer.channel()).get_cart(customer.request(GetCartRequest::default())).await
        });
        Ok((session, cart.await?.cart.unwrap_or_default()))
    }

    /// What is wrong with it now.
    pub(super) async fn problem(&self, field: &Field) -> Option<String> {
        let id = &self.session.session_id;
        match self.now(field).await {
            Err(status) => Some(format!("the live session {id} gets {status}")),
            Ok((session, _)) if session.session_id != *id => Some(format!("the session {id} is another one")),
            Ok((_, cart)) if (&cart.cart_id, &cart.lines) != (&self.cart.cart_id, &self.cart.lines) => {
                Some(format!("the session {id} has another cart than before"))
            }
            Ok(_) => None,
        }
    }
}
