//! AddLine: commutes, so it needs no version; creates the cart if there is none.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt as _;
use omnimesh_kit::{
    auth::LinkedScope, call::Call, clock::Timestamp, idempotency::Once, money::Currency, validate::Violations,
};
use omnimesh_proto::{
    carts::v1::{AddLineRequest, AddLineResponse},
    sessions::v1::{AttachCartRequest, session_service_client::SessionServiceClient},
};
use tonic::{Code, Response};

use super::{
    Carts,
    change::{Edit, Effect, change},
    find::{Which, find},
    prices,
};
use crate::{
    domain::{
        Cart, CartId, LineId, Refusal, State,
        lines::{self, Addition, MAX_QUANTITY},
    },
    error::Error,
};

const ATTACH_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_OPTIONS: usize = 20;
/// How long it may take until an order that was placed closes its cart.
const ORDERED_SOON: Duration = Duration::from_secs(3);

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
    let mut done = change(carts, call, &once, which, create, &edit).await;
    if id.is_none() && matches!(done, Err(Error::Refusal(Refusal::Frozen))) && was_ordered(carts, call, which).await? {
        done = change(carts, call, &once, which, create, &edit).await;
    }
    let done = done?;
    if let Some(created) = done.created {
        attach(carts, call, created).await;
    }
    Ok(done.reply.into_response())
}

/// Whether the cart that is frozen for an order is closed, or open again, within a moment. That the order was placed is known to
/// the customer before it is heard here, and the next line is for a new cart.
async fn was_ordered(carts: &Carts, call: &Call, which: Which) -> Result<bool, Error> {
    // Before the cart is read: what becomes of it from here on is an event of the stream.
    let positions = carts.deps.tail.positions().await?;
    let Some(cart) = find(carts, call, which).await? else { return Ok(true) };
    match cart.state {
        State::Frozen { order: Some(_), .. } => {}
        State::Frozen { order: None, .. } => return Ok(false),
        _ => return Ok(true),
    }
    let id = cart.id.to_string();
    let mut events = std::pin::pin!(carts.deps.tail.resume(positions));
    let next = async { while events.next().await.is_some_and(|event| event.aggregate_id != id) {} };
    // Events may be slower than what they tell of.
    tokio::time::timeout(ORDERED_SOON, next).await.ok();
    let now = find(carts, call, which).await?;
    Ok(now.is_none_or(|cart| !matches!(cart.state, State::Frozen { .. })))
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
    // Also the guest's that was handed over before there was a cart; a kiosk's has ended.
    let source = session.linked.as_ref().and_then(LinkedScope::guest);
    for session in [Some(session.id), source].into_iter().flatten() {
        let mut sessions = SessionServiceClient::new(carts.deps.links.to("sessions", call).within(ATTACH_TIMEOUT));
        let request = AttachCartRequest { session_id: session.to_string(), cart_id: cart.to_string() };
        match sessions.attach_cart(request).await {
            Err(status) if status.code() == Code::NotFound && Some(session) == source => {}
            Err(status) => tracing::warn!(code = ?status.code(), "the session was not told of its new cart"),
            Ok(_) => {}
        }
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
