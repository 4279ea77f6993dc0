//! Points at which a test makes this process die, or pause so that its callers can hang up. In a release build without the
//! feature `faults` they are nothing.
//!
//! `OMNIMESH_FAULTS=orders.place.reserved@7,relay.assigned@2~150`: the process dies when it comes to the first point for the
//! seventh time, and waits 150 ms when it comes to the second one for the second time.

/// Every point there is; `*` marks those that each process with a database comes to, the others are the orders service's.
///
/// A point lies behind the step that it is named after: what the step did is done, and nobody was told.
pub const POINTS: [&str; 16] = [
    PLACE_READ,
    PLACE_OPENED,
    PLACE_FROZEN,
    PLACE_RESERVED,
    PLACE_CONFIRMED,
    PLACE_PLACED,
    PLACE_GIVEN_UP,
    RELAY_TAKEN,
    RELAY_ASSIGNED,
    RELAY_SENT,
    CONSUMER_READ,
    CONSUMER_ADVANCED,
    CONSUMER_HANDLED,
    CONSUMER_DONE,
    COMMITTING,
    COMMITTED,
];

/// PlaceOrder has read the cart.
pub const PLACE_READ: &str = "orders.place.read";
/// The draft is committed.
pub const PLACE_OPENED: &str = "orders.place.opened";
/// The cart is frozen.
pub const PLACE_FROZEN: &str = "orders.place.frozen";
/// The stock is held.
pub const PLACE_RESERVED: &str = "orders.place.reserved";
/// The stock is the order's.
pub const PLACE_CONFIRMED: &str = "orders.place.confirmed";
/// The order is placed.
pub const PLACE_PLACED: &str = "orders.place.placed";
/// The draft is cancelled, what was done is not undone yet.
pub const PLACE_GIVEN_UP: &str = "orders.place.given_up";
/// The relay has taken its lease.
pub const RELAY_TAKEN: &str = "relay.taken";
/// Events have their places and were not sent.
pub const RELAY_ASSIGNED: &str = "relay.assigned";
/// The events of one partition were sent.
pub const RELAY_SENT: &str = "relay.sent";
/// Events came, and nothing was done with them.
pub const CONSUMER_READ: &str = "consumer.read";
/// The checkpoint is moved, in the open transaction.
pub const CONSUMER_ADVANCED: &str = "consumer.advanced";
/// The effects are made, in the open transaction.
pub const CONSUMER_HANDLED: &str = "consumer.handled";
/// The effects are committed.
pub const CONSUMER_DONE: &str = "consumer.done";
/// Any transaction is about to be committed.
pub const COMMITTING: &str = "store.committing";
/// Any transaction is committed, and whoever asked for it was not told.
pub const COMMITTED: &str = "store.committed";

/// What the log says of a pause, before the point's name.
pub const PAUSING: &str = "a fault point pauses";

#[cfg(any(debug_assertions, feature = "faults"))]
pub use armed::point;

/// A point: nothing in this build.
#[cfg(not(any(debug_assertions, feature = "faults")))]
#[inline(always)]
pub fn point(_: &'static str) -> std::future::Ready<()> {
    std::future::ready(())
}

#[cfg(any(debug_assertions, feature = "faults"))]
mod armed {
    use std::{
        collections::HashMap,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use super::{PAUSING, POINTS};

    /// The environment variable that arms points.
    const VARIABLE: &str = "OMNIMESH_FAULTS";

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Act {
        Die,
        Pause(Duration),
    }

    /// What happens at which pass of a point.
    type Plan = HashMap<&'static str, (AtomicU64, Vec<(u64, Act)>)>;

    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        parse(&text).unwrap_or_else(|part| {
            tracing::error!(part, "{VARIABLE} takes point@pass or point@pass~milliseconds");
            std::process::abort()
        })
    });

    fn parse(text: &str) -> Result<Plan, &str> {
        let mut plan = Plan::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (point, rest) = part.split_once('@').ok_or(part)?;
            let (pass, act) = match rest.split_once('~') {
                Some((pass, pause)) => (pass, Act::Pause(Duration::from_millis(pause.parse().map_err(|_| part)?))),
                None => (rest, Act::Die),
            };
            let point = POINTS.into_iter().find(|known| *known == point).ok_or(part)?;
            plan.entry(point).or_default().1.push((pass.parse().map_err(|_| part)?, act));
        }
        Ok(plan)
    }

    /// A point: what the environment arms it with happens here, else nothing.
    pub async fn point(name: &'static str) {
        let Some((passes, acts)) = PLAN.get(name) else { return };
        let pass = passes.fetch_add(1, Ordering::Relaxed) + 1;
        match acts.iter().find(|(at, _)| *at == pass) {
            // As by kill -9: nothing is flushed, dropped or told.
            Some((_, Act::Die)) => std::process::abort(),
            Some((_, Act::Pause(pause))) => {
                tracing::warn!("{PAUSING}: {name}");
                tokio::time::sleep(*pause).await;
            }
            None => {}
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_plan_names_points_passes_and_pauses() {
            let plan = parse("relay.sent@3,relay.sent@5~20,orders.place.read@1").unwrap();
            let acts = |point| plan.get(point).map(|(_, acts)| acts.clone());
            let pause = Act::Pause(Duration::from_millis(20));
            assert_eq!(acts("relay.sent"), Some(vec![(3, Act::Die), (5, pause)]));
            assert_eq!(acts("orders.place.read"), Some(vec![(1, Act::Die)]));
            for wrong in ["relay.sent", "relay.sent@x", "relay.gone@1", "relay.sent@1~x"] {
                assert_eq!(parse(wrong).err(), Some(wrong));
            }
        }
    }
}
