//! AddLine: commutes, so it needs no version; creates the cart if there is none.

use std::{collections::BTreeMap, time::Duration};

use omnimesh_kit::{call::Call, clock::Timestamp, idempotency::Once, money::Currency, validate::Violations};
use omnimesh_proto::{
    carts::v1::{AddLineRequest, AddLineResponse},
    sessions::v1::{AttachCartRequest, session_service_client::SessionServiceClient},
};
use tonic::Response;

use super::{
    Carts,
    change::{Edit, Effect, change},
    find::Which,
    prices,
};
use crate::{
    domain::{
        Cart, CartId, LineId, Refusal,
        lines::{self, Addition, MAX_QUANTITY},
    },
    error::Error,
};

const ATTACH_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_OPTIONS: usize = 20;

pub(crate) async fn add_line(
    carts: &Carts,
    call: &Call,
    request: AddLineRequest,
) -> Result<Response<AddLineResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/AddLine", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let sku = v.text("sku", &request.sku, 1..=64);
    let quantity = v.range("quantity", request.quantity, 1..=MAX_QUANTITY);
    let currency = v.parse_optional::<Currency>("currency_code", &request.currency_code);
    let options = options(&mut v, &request.options);
    let (id, sku, quantity, currency, options) = v.finish_with((id, sku, quantity, currency, options))?;

    let line = LineId::new(carts.deps.clock.now());
    let addition = Addition { id: line, sku, quantity, options, channel: prices::channel_of(call) };
    let which = Which { id, currency, trusted: false };
    // A named cart is never created.
    let create = id.is_none().then(|| currency.unwrap_or(carts.default_currency));
    let edit = AddLine { addition, currency };
    let done = change(carts, call, &once, which, create, &edit).await?;
    if let Some(created) = done.created {
        attach(carts, call, created).await;
    }
    Ok(done.reply.into_response())
}

fn options(v: &mut Violations, options: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    v.check("options", options.len() <= MAX_OPTIONS, format!("must have at most {MAX_OPTIONS} entries"));
    let checked = options
        .iter()
        .take(MAX_OPTIONS)
        .map(|(name, value)| Some((v.text("options.key", name, 1..=40)?, v.text("options.value", value, 0..=200)?)));
    checked.collect::<Vec<_>>().into_iter().collect()
}

/// Tells the session its cart, so that every device of it finds the same. If that fails the cart is still found by its owner.
async fn attach(carts: &Carts, call: &Call, cart: CartId) {
    let Some(session) = call.session() else { return };
    let mut sessions = SessionServiceClient::new(carts.deps.links.to("sessions", call).within(ATTACH_TIMEOUT));
    let request = AttachCartRequest { session_id: session.id.to_string(), cart_id: cart.to_string() };
    if let Err(status) = sessions.attach_cart(request).await {
        tracing::warn!(code = ?status.code(), "the session was not told of its new cart");
    }
}

struct AddLine {
    addition: Addition,
    currency: Option<Currency>,
}

impl Edit for AddLine {
    fn apply(&self, cart: &mut Cart, _now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        if let Some(asked) = self.currency
            && asked != cart.currency
        {
            return Err(Refusal::WrongCurrency(cart.currency));
        }
        let line = lines::add(cart, &self.addition)?;
        Ok(vec![Effect::LineAdded(line, self.addition.sku.clone(), self.addition.quantity)])
    }

    fn check(&self, cart: &Cart) -> Result<(), Refusal> {
        match cart.body.prices.skus.get(&self.addition.sku).map(|price| &price.refusal) {
            Some(None) => Ok(()),
            Some(Some(refusal)) => Err(Refusal::NotSellable(refusal.clone())),
            None => Err(Refusal::NotSellable("it has no price".to_owned())),
        }
    }
}
