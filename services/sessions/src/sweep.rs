//! Forgets what is over: sessions long past their end, and codes that can't be used any more.

use std::time::Duration;

use omnimesh_kit::{store, store::Db, transaction};
use tokio_util::sync::CancellationToken;

use crate::store as sql;

/// How often to look.
const PAUSE: Duration = Duration::from_secs(600);
/// Sessions are kept this long after their end, so that a late question gets a clear answer.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Sweeps until the token is cancelled.
pub(crate) async fn run(db: Db, token: CancellationToken) {
    while token.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        if let Err(error) = once(&db).await {
            tracing::warn!(cause = %error, "old sessions could not be swept; tried again later");
        }
    }
}

/// One sweep. Several processes may do it at once.
pub(crate) async fn once(db: &Db) -> Result<(), store::Error> {
    transaction!(db, tx => {
        let now = tx.now();
        sql::verifications::erase_dead_codes(&mut tx, now).await?;
        sql::sessions::prune(&mut tx, now.minus(KEPT)).await?;
        Ok::<_, store::Error>(())
    })
}
