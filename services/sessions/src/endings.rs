//! Sessions that end: in the transaction that decides it, then in the store of live sessions. What lies between is noted in the
//! database, so that a crash leaves no session open.

use std::time::Duration;

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    ids::SessionId,
    outbox,
    session::LiveSessions,
    store::{Db, Tx},
    transaction,
};
use omnimesh_proto::sessions::v1::SessionEnded;
use tokio_util::sync::CancellationToken;

use crate::{domain::session::Session, error::Error, store};

/// How often to look for what the one who ended a session left undone.
const PAUSE: Duration = Duration::from_secs(1);

/// Ends a session that was read in this transaction, or before; gives the version in which it ended. After the commit
/// [`settle`] makes it known.
pub(crate) async fn end(tx: &mut Tx, session: &Session, call: &Call, now: Timestamp) -> Result<i64, Error> {
    let version = session.version + 1;
    let ended = Session { ended_at: Some(now), version, events: session.events + 1, ..session.clone() };
    if !store::sessions::update(tx, &ended).await? {
        return Err(Error::SessionChanged);
    }
    announce(tx, &ended, call, now).await?;
    Ok(version)
}

/// What goes along with the end of a session, whatever becomes of its row.
pub(crate) async fn announce(tx: &mut Tx, ended: &Session, call: &Call, now: Timestamp) -> Result<(), Error> {
    store::endings::put(tx, ended.id, ended.version).await?;
    let event = SessionEnded { session_id: ended.id.to_string() };
    outbox::append(tx, &ended.within(call, now), &event.session_id, ended.events, &event).await?;
    Ok(())
}

/// Makes the end of one session known: from here on none of its tokens is valid.
pub(crate) async fn settle(db: &Db, live: &LiveSessions, id: SessionId, version: i64) -> Result<(), Error> {
    live.end(id, version).await?;
    transaction!(db, tx => {
        store::endings::done(&mut tx, id, version).await?;
        Ok::<_, Error>(())
    })
}

/// Makes known what is left, until the token is cancelled. Several processes may do it at once.
pub(crate) async fn run(db: Db, live: LiveSessions, token: CancellationToken) {
    while token.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        if let Err(error) = once(&db, &live).await {
            tracing::warn!(cause = %error, "ended sessions may still be live; tried again");
        }
    }
}

async fn once(db: &Db, live: &LiveSessions) -> Result<(), Error> {
    loop {
        let waiting = store::endings::waiting(&mut db.read().await?).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        for (id, version) in waiting {
            settle(db, live, id, version).await?;
        }
    }
}
