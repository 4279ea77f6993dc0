//! WatchCart: the cart now, and again at each change. Each message reads the cart anew, so it is never older than the change.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream::BoxStream};
use omnimesh_kit::{call::Call, ids::ProfileId, validate::Violations};
use omnimesh_proto::{
    carts::v1::{CartCreated, CartMerged, CartParted, WatchCartRequest, WatchCartResponse},
    events::v1::Event,
};
use prost::{Message as _, Name as _};
use tokio::time::{Instant, Interval};
use tonic::{Response, Status};

use super::{
    Carts,
    find::{Which, customer, find},
    linked, prices, view,
};
use crate::{
    domain::{Cart, CartId},
    error::Error,
};

/// How often the cart is read without an event.
const READ_AGAIN: Duration = Duration::from_secs(30);

type Messages = BoxStream<'static, Result<WatchCartResponse, Status>>;

pub(crate) async fn watch_cart(
    carts: &Carts,
    call: Call,
    request: WatchCartRequest,
) -> Result<Response<Messages>, Error> {
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let (id,) = v.finish_with((id,))?;
    // Before the cart is read: what changes from here on is an event of the stream.
    let positions: BTreeMap<u32, i64> = carts.deps.tail.positions().await?;
    let which = Which::cart(id);
    let cart = find(carts, &call, which).await?;
    if id.is_some() && cart.is_none() {
        return Err(Error::NoCart(id));
    }
    let again = tokio::time::interval_at(Instant::now() + READ_AGAIN, READ_AGAIN);
    let mut watch = Watch { carts: carts.clone(), call, which, current: None, members: BTreeSet::new(), again };
    watch.learn().await?;
    let first = match cart {
        Some(cart) => watch.message(cart).await?,
        None => None,
    };
    let events = carts.deps.tail.resume(positions);
    let stop = carts.deps.lifecycle.token();
    let changes = follow(watch, events).take_until(stop.cancelled_owned());
    Ok(Response::new(futures::stream::iter(first.map(Ok)).chain(changes).boxed()))
}

fn follow<E>(watch: Watch, events: E) -> impl Stream<Item = Result<WatchCartResponse, Status>> + Send
where
    E: Stream<Item = std::sync::Arc<Event>> + Send + 'static,
{
    futures::stream::unfold(Some((watch, Box::pin(events))), |state| async move {
        let (mut watch, mut events) = state?;
        loop {
            tokio::select! {
                event = events.next() => {
                    // The end of the log's stream ends the watch: the client asks again.
                    let event = event?;
                    if !watch.concerns(&event) {
                        continue;
                    }
                }
                _ = watch.again.tick() => {}
            }
            match watch.read().await {
                Ok(Some(message)) => return Some((Ok(message), Some((watch, events)))),
                Ok(None) => {}
                Err(error) => return Some((Err(error.into()), None)),
            }
        }
    })
}

struct Watch {
    carts: Carts,
    call: Call,
    which: Which,
    // What was sent last.
    current: Option<(CartId, i64)>,
    // The profiles of the caller's customer, when a cart was last looked for.
    members: BTreeSet<String>,
    // Who is one with the caller is not an event of carts.
    again: Interval,
}

impl Watch {
    /// Whether the event may change what is watched.
    fn concerns(&self, event: &Event) -> bool {
        if self.current.is_some_and(|(id, _)| event.aggregate_id == id.to_string()) {
            return true;
        }
        // Who watches "my cart" also hears of carts that become it.
        let Some(session) = self.call.session().filter(|_| self.which.id.is_none()) else { return false };
        // A guest's who handed over before there was a cart is begun in either session.
        let of_lineage = || {
            let lineage = linked::lineage(&self.call).map(|id| id.to_string());
            let created = event.r#type == CartCreated::full_name();
            let created = created.then(|| CartCreated::decode(event.payload.clone()).unwrap_or_default());
            created.and_then(|created| created.cart).is_some_and(|cart| Some(cart.session_id) == lineage)
        };
        let of_customer = || {
            let payload = event.payload.clone();
            let owner = match event.r#type.as_str() {
                kind if kind == CartCreated::full_name() => CartCreated::decode(payload).map(|e| e.profile_id),
                kind if kind == CartMerged::full_name() => CartMerged::decode(payload).map(|e| e.profile_id),
                kind if kind == CartParted::full_name() => {
                    CartParted::decode(payload).map(|e| e.cart.unwrap_or_default().profile_id)
                }
                _ => return false,
            };
            owner.is_ok_and(|owner| self.members.contains(&owner))
        };
        event.session_id == session.id.to_string() || of_lineage() || of_customer()
    }

    /// Learns who is one with the caller.
    async fn learn(&mut self) -> Result<(), Error> {
        let mut conn = self.carts.deps.db.read().await?;
        let members = customer(&mut conn, &self.call).await?.map(|customer| customer.members).unwrap_or_default();
        self.members = members.iter().map(ProfileId::to_string).collect();
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<WatchCartResponse>, Error> {
        self.learn().await?;
        match find(&self.carts, &self.call, self.which).await? {
            Some(cart) => self.message(cart).await,
            None => self.last().await,
        }
    }

    /// The cart that was watched as "my cart" was ordered: the watcher sees it once more, then waits for the next one.
    async fn last(&mut self) -> Result<Option<WatchCartResponse>, Error> {
        let Some((id, _)) = self.current else { return Ok(None) };
        match find(&self.carts, &self.call, Which::cart(Some(id))).await? {
            Some(cart) => self.message(cart).await,
            None => Ok(None),
        }
    }

    /// The message for a cart, unless it was sent already.
    async fn message(&mut self, cart: Cart) -> Result<Option<WatchCartResponse>, Error> {
        let version = (cart.id, cart.version);
        if self.current == Some(version) {
            return Ok(None);
        }
        let cart = prices::shown(&self.carts, &self.call, cart).await?;
        self.current = Some(version);
        Ok(Some(WatchCartResponse { cart: Some(view::cart_for(&self.call, &cart)) }))
    }
}
