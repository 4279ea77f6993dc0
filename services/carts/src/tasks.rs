//! What happens by itself with time: freezes end, and what waited for them is done.

use std::time::Duration;

use omnimesh_kit::{call::Call, service::Deps, transaction};

use crate::{
    NAME,
    customers::{FIRST_DELAY, settle, try_settle},
    domain::CartId,
    error::Error,
    rpc::change::{Effect, save},
    store,
};

/// How often to look.
const POLL: Duration = Duration::from_secs(1);
/// The longest time between two tries to settle a customer's carts.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Does what is due until the process stops.
pub(crate) async fn work(deps: Deps) {
    let token = deps.lifecycle.token();
    while token.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        if let Err(error) = run(&deps).await {
            tracing::warn!(cause = %error, "what is due can't be done");
        }
    }
}

async fn run(deps: &Deps) -> Result<(), Error> {
    let now = deps.clock.now();
    let (thawed, due) = {
        let mut conn = deps.db.read().await?;
        (store::thawed(&mut conn, now).await?, store::settle_now(&mut conn, now).await?)
    };
    for cart in thawed {
        thaw(deps, cart).await?;
    }
    for (profile, tries) in due {
        let later = now.plus(delay(tries));
        let done = transaction!(deps.db, tx => {
            if try_settle(&mut tx, &[profile]).await?.is_empty() {
                store::settled(&mut tx, profile).await?;
            } else {
                store::settle_again(&mut tx, profile, later).await?;
            }
            Ok::<_, Error>(())
        });
        if let Err(error) = done {
            tracing::warn!(tries, cause = %error, "a customer's carts can't be settled: later again");
            transaction!(deps.db, tx => {
                store::settle_again(&mut tx, profile, later).await?;
                Ok::<_, Error>(())
            })?;
        }
    }
    Ok(())
}

/// 2, 4, 8 … seconds.
fn delay(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 6)).unwrap_or(0);
    FIRST_DELAY.saturating_mul(2_u32.pow(doublings)).min(LONGEST_DELAY)
}

/// A freeze without an order ended by itself: whoever follows the cart's events learns it too.
async fn thaw(deps: &Deps, id: CartId) -> Result<(), Error> {
    transaction!(deps.db, tx => {
        let now = tx.now();
        let Some(before) = store::cart_locked(&mut tx, id).await? else { return Ok(()) };
        let after = before.clone().at(now);
        if after.state != before.state {
            let owner = after.profile;
            save(&mut tx, &Call::system(NAME), after, &[Effect::Changed], now).await?;
            settle(&mut tx, owner.as_slice()).await?;
        }
        Ok::<_, Error>(())
    })
}
