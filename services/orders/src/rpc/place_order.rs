//! The cart becomes an order. The request id is the order's natural key: repeating the request gives the same order or the same
//! refusal, also while the first one still runs.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{
    auth::SessionLevel, call::Call, contact, error::Fault, fault, idempotency::Reply, ids::ProfileId, locale::Locale,
    money::Money, transaction, validate::Violations,
};
use omnimesh_proto::{
    carts::v1::{Cart, GetCartRequest, cart_service_client::CartServiceClient},
    common::v1::{Channel, ErrorReason},
    orders::v1::{PlaceOrderRequest, PlaceOrderResponse},
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Response};
use uuid::Uuid;

use crate::{
    app::App,
    domain::{CartRef, Contact, DocumentKind, Order, OrderId, OrderNumber, OrderState, Payment, PaymentMethod, Totals},
    error::Error,
    saga::{self, Step},
    store::orders::{self, PlaceKey},
    wire,
};

/// How long a repeated call waits for the first one.
const PATIENCE: Duration = Duration::from_secs(8);

struct Checked {
    cart_id: String,
    cart_version: i64,
    expected_total: Money,
    contact: Contact,
    method: PaymentMethod,
    key: PlaceKey,
}

pub(super) async fn run(
    app: &Arc<App>,
    call: &Call,
    request: PlaceOrderRequest,
) -> Result<Response<PlaceOrderResponse>, Error> {
    let checked = check(call, &request)?;
    let (app, call) = (app.clone(), call.clone());
    let lifecycle = app.deps.lifecycle.clone();
    // A caller who hangs up does not cut the saga.
    lifecycle.finish(async move { place(&app, &call, &checked, Step::Place).await }).await.map(Reply::into_response)
}

fn check(call: &Call, request: &PlaceOrderRequest) -> Result<Checked, Error> {
    let mut v = Violations::new();
    v.check("cart_id", !request.cart_id.is_empty() || call.session().is_some(), "must be given: there is no session");
    let version = v.range("cart_version", request.cart_version, 1..=i64::MAX);
    let total = v.money("expected_total", request.expected_total.as_ref());
    let contact = v.required("contact", request.contact.as_ref());
    // A number in national form is read by the country of the session's locale.
    let locale = call.session().and_then(|session| session.locale.parse::<Locale>().ok());
    let contact = contact.and_then(|contact| v.accept("contact", contact::Contact::parse(contact, locale.as_ref())));
    let contact = contact.and_then(|contact| v.accept("contact", Contact::from_proto(&contact.to_proto())));
    let method = PaymentMethod::from_number(request.payment_method);
    v.check("payment_method", method.is_some(), "ONLINE or IN_STORE is accepted");
    let id = Uuid::try_parse(&request.request_id).ok();
    v.check("request_id", id.is_some(), "must be a UUID: repeating the call with it places one order");
    let (cart_version, expected_total, contact, method, request_id) =
        v.finish_with((version, total, contact, method, id))?;
    let key = PlaceKey {
        principal: call.principal(),
        request: request_id,
        hash: Sha256::digest(request.encode_to_vec()).into(),
    };
    Ok(Checked { cart_id: request.cart_id.clone(), cart_version, expected_total, contact, method, key })
}

/// The whole use case, up to a step: tests stop earlier, as a crash would.
async fn place(app: &App, call: &Call, checked: &Checked, last: Step) -> Result<Reply<PlaceOrderResponse>, Error> {
    let reply =
        |order: &Order, replayed| Reply { message: PlaceOrderResponse { order: Some(wire::order(order)) }, replayed };
    let cart = match meant_cart(app, call, &checked.cart_id).await {
        Ok(cart) => cart,
        // The cart may be out of reach since an earlier call with this request id. Otherwise that one is met when the draft
        // is opened: first calls, which are nearly all, do not ask for it.
        Err(error) => match known(app, &checked.key).await? {
            Some(order) => return Ok(reply(&join(app, call, order, last).await?, true)),
            None => return Err(error),
        },
    };
    fault::point(fault::PLACE_READ).await;
    let draft = draft_of(app, call, checked, &cart);
    let opened = open(app, call, draft, &checked.key).await?;
    fault::point(fault::PLACE_OPENED).await;
    match opened {
        Opened::Draft(draft) => Ok(reply(&saga::drive(app, call, &draft, last).await?, false)),
        Opened::Earlier(order) => Ok(reply(&join(app, call, order, last).await?, true)),
    }
}

/// The order of an earlier call with this request id.
async fn known(app: &App, key: &PlaceKey) -> Result<Option<Order>, Error> {
    let found = orders::find_by_request(&mut app.deps.db.read().await?, key).await?;
    let Some((order, hash)) = found else { return Ok(None) };
    if hash == key.hash {
        return Ok(Some(order));
    }
    let message = "request_id was used for another request: a new one is accepted";
    Err(Fault::new(Code::InvalidArgument, ErrorReason::RequestIdReused, message).into())
}

/// Answers with what an earlier call made: its order, its refusal, or what comes of its draft.
async fn join(app: &App, call: &Call, mut order: Order, last: Step) -> Result<Order, Error> {
    let started = tokio::time::Instant::now();
    loop {
        if order.state != OrderState::Draft {
            return match order.refusal {
                Some(refusal) => Err(Error::Placing(refusal)),
                None => Ok(order),
            };
        }
        let until = app.now().plus(app.settings.draft_time());
        let id = order.id;
        let claimed =
            transaction!(app.deps.db, tx => { orders::claim_draft(&mut tx, id, until).await.map_err(Error::from) })?;
        if claimed {
            return saga::drive(app, call, &order, last).await;
        }
        if started.elapsed() > PATIENCE {
            return Err(Fault::unavailable("the order is still being placed: repeat the same request").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        order = orders::find(&mut app.deps.db.read().await?, id).await?.ok_or(Error::NoSuchOrder)?;
    }
}

/// The cart that is meant: a session that was handed over orders the cart it was given, if it may change it. That it names no
/// other one is carts' to say, which knows what became of it.
fn handed_over(call: &Call, cart_id: &str) -> Result<String, Fault> {
    let Some(session) = call.session().filter(|session| session.level == SessionLevel::Linked) else {
        return Ok(cart_id.to_owned());
    };
    let Some(given) = session.linked.as_ref().filter(|linked| linked.edit) else {
        let message = "the cart was handed over to be seen only: who handed it over can order it";
        return Err(Fault::denied(ErrorReason::NotHandedOver, message));
    };
    Ok(if cart_id.is_empty() { given.cart.clone().unwrap_or_default() } else { cart_id.to_owned() })
}

/// The cart that is meant, if it is the caller's: carts checks that on the caller's behalf.
async fn meant_cart(app: &App, call: &Call, cart_id: &str) -> Result<Cart, Error> {
    let request = GetCartRequest { cart_id: handed_over(call, cart_id)? };
    let answer = CartServiceClient::new(app.link("carts", call)).get_cart(request).await.map_err(Fault::upstream)?;
    Ok(answer.into_inner().cart.ok_or_else(|| Fault::internal("carts answered without a cart"))?)
}

fn draft_of(app: &App, call: &Call, checked: &Checked, cart: &Cart) -> Order {
    let now = app.now();
    let session = call.session();
    // A session that was handed over has no profile of its own: the order is the cart's owner's.
    let own = session.filter(|session| session.level != SessionLevel::Linked).and_then(|session| session.profile);
    let profile = own.or_else(|| cart.profile_id.parse::<ProfileId>().ok());
    let channel = match call.identity().channel() {
        Channel::Unspecified => cart.channel,
        channel => channel.into(),
    };
    Order {
        id: OrderId::new(now),
        number: OrderNumber::random().to_string(),
        version: 1,
        events: 0,
        kind: DocumentKind::Sale,
        state: OrderState::Draft,
        channel,
        profile,
        session: session.map(|session| session.id),
        journey: session.map(|session| session.journey),
        customer_ref: String::new(),
        currency: checked.expected_total.currency,
        lines: Vec::new(),
        groups: Vec::new(),
        totals: Totals::default(),
        payment: Payment::default(),
        contact: Some(checked.contact.clone()),
        shipping_address: None,
        payment_method: Some(checked.method),
        cart: Some(CartRef {
            id: cart.cart_id.clone(),
            version: checked.cart_version,
            expected_total: checked.expected_total,
        }),
        created_at: now,
        placed_at: None,
        updated_at: now,
        payment_expires_at: None,
        source: None,
        source_country: String::new(),
        cancel_reason: String::new(),
        shipping_method_id: String::new(),
        promise_start: None,
        promise_end: None,
        shortfall: Vec::new(),
        returns: Vec::new(),
        erased: false,
        refusal: None,
        changes: Vec::new(),
    }
}

/// What stands for a request once its draft is opened.
enum Opened {
    /// Its new draft.
    Draft(Order),
    /// What the same request made before, or at the same time.
    Earlier(Order),
}

/// Step 1: the draft, with its final id, committed before anything else happens, unless the request is known.
async fn open(app: &App, call: &Call, draft: Order, key: &PlaceKey) -> Result<Opened, Error> {
    for _ in 0..3 {
        let mut order = Order { number: OrderNumber::random().to_string(), ..draft.clone() };
        let until = app.now().plus(app.settings.draft_time());
        let opened = transaction!(app.deps.db, tx => {
            orders::insert(&mut tx, call, &mut order, Some(key), None, Some(until)).await.map_err(Error::from)
        })?;
        if opened {
            return Ok(Opened::Draft(order));
        }
        if let Some(earlier) = known(app, key).await? {
            return Ok(Opened::Earlier(earlier));
        }
        // The number was taken: one in thirty thousand million.
    }
    Err(Error::Contention)
}

#[cfg(test)]
pub(crate) mod stopped {
    //! PlaceOrder, stopped after a step as by a crash.
    use super::*;

    pub(crate) async fn place_until(app: &App, call: &Call, request: &PlaceOrderRequest, last: Step) {
        let checked = check(call, request).unwrap();
        place(app, call, &checked, last).await.unwrap();
    }
}
