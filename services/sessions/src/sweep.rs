//! Forgets what is over: sessions long past their end, and codes and offers that can't be used any more.

use std::time::Duration;

use omnimesh_kit::{store, store::Db, transaction};
use tokio_util::sync::CancellationToken;

use crate::store as sql;

/// How often to look.
const PAUSE: Duration = Duration::from_secs(600);
/// Sessions and offers are kept this long after their end, so that a late question gets a clear answer.
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
        sql::handoffs::prune(&mut tx, now.minus(KEPT)).await?;
        sql::sessions::prune(&mut tx, now.minus(KEPT)).await?;
        Ok::<_, store::Error>(())
    })
}

#[cfg(test)]
mod tests {
    use omnimesh_kit::{
        args,
        auth::SessionLevel,
        clock::Timestamp,
        ids::{JourneyId, SessionId},
        store::Sql,
        testing::{self, BACKENDS},
    };

    use super::*;
    use crate::domain::{
        handoff::{Claim, Handoff, HandoffId, LIFETIME},
        session::Session,
    };

    fn session(start: Timestamp, lasts: Duration) -> Session {
        Session {
            id: SessionId::new(start),
            token_hash: [7; 32],
            channel: 1,
            device: 1,
            locale: "en".to_owned(),
            level: SessionLevel::Guest,
            profile: None,
            cart: None,
            linked: None,
            assisted_by: None,
            journey: JourneyId::new(start),
            location: String::new(),
            started_at: start,
            expires_at: start.plus(lasts),
            idle: None,
            ended_at: None,
            version: 1,
            events: 1,
        }
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten_and_what_may_be_taken_back_is_kept() {
        for backend in BACKENDS {
            let db = testing::db(&crate::MIGRATIONS, backend).await;
            let start = db.clock.now();
            let (short, long) = (session(start, LIFETIME), session(start, KEPT * 4));
            let offer = |source: &Session, at: Timestamp| Handoff {
                id: HandoffId::new(at),
                source: source.id,
                profile: None,
                edit: true,
                created_at: at,
                expires_at: at.plus(LIFETIME),
                claim: None,
                revoked_at: None,
            };
            let claim = Claim { at: start, session: short.id, channel: 1, by_associate: false };
            let later = start.plus(KEPT);
            let (unclaimed, claimed, fresh) = (offer(&long, start), offer(&long, start), offer(&long, later));
            transaction!(db, tx => {
                sql::sessions::insert(&mut tx, &short).await?;
                sql::sessions::insert(&mut tx, &long).await?;
                let gone = offer(&short, later);
                for (n, handoff) in (0u8..).zip([&unclaimed, &claimed, &fresh, &gone]) {
                    sql::handoffs::insert(&mut tx, handoff, &[n; 32], &[n; 32]).await?;
                }
                assert!(sql::handoffs::claim(&mut tx, claimed.id, &claim).await?);
                Ok::<_, store::Error>(())
            })
            .unwrap();
            db.clock.advance(KEPT + LIFETIME + Duration::from_secs(1));
            once(&db.db).await.unwrap();
            let mut conn = db.read().await.unwrap();
            assert_eq!(sql::sessions::by_id(&mut conn, short.id).await.unwrap(), None);
            assert!(sql::sessions::by_id(&mut conn, long.id).await.unwrap().is_some());
            let rows =
                conn.fetch_all(Sql::portable("SELECT id FROM handoffs ORDER BY code_mac"), args![]).await.unwrap();
            let left: Vec<_> = rows.iter().map(|row| HandoffId(row.get("id").unwrap())).collect();
            assert_eq!(left, [claimed.id, fresh.id]);
        }
    }
}
