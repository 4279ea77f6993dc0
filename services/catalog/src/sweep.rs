//! Gives back the stock of reservations that ran out. Reads ignore them before that already.

use std::time::Duration;

use omnimesh_kit::{call::Call, store::Db};
use tokio_util::sync::CancellationToken;

use crate::{error::Error, ledger, store::reservations};

const EVERY: Duration = Duration::from_secs(2);
const AT_ONCE: i64 = 100;

/// Sweeps until stopped.
pub(crate) async fn run(db: Db, stop: CancellationToken) {
    let call = Call::system(crate::NAME);
    loop {
        match sweep(&db, &call).await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "reservations expired"),
            Err(error) => tracing::warn!(%error, "sweeping reservations failed: it is tried again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// One round; gives how many were swept.
///
/// # Errors
/// Whatever the database says.
async fn sweep(db: &Db, call: &Call) -> Result<usize, Error> {
    let owners = {
        let mut conn = db.read().await?;
        reservations::expired(&mut conn, db.clock().now(), AT_ONCE).await?
    };
    ledger::expire(db, call, &owners).await
}
