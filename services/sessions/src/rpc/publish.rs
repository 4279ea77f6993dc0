//! What a transaction made of a session, shown to every service.

use std::time::Duration;

use omnimesh_kit::ids::SessionId;
use tracing::Instrument as _;

use super::App;
use crate::{domain::session::Session, endings, error::Error};

impl App {
    /// Shows a new session, or a change: from here on the token before it is dead. While the live store does not answer, no
    /// token is read from it either; the caller gets the new one, which will be good as soon as the write succeeds.
    pub(super) async fn publish(&self, before: Option<&Session>, after: &Session) {
        let Err(error) = self.publish_once(before, after).await else { return };
        tracing::warn!(session.id = %after.id, cause = %error, "a changed session is not live yet; tried again");
        let (task, before, after) = (self.clone(), before.cloned(), after.clone());
        let publishing = async move {
            let stop = task.deps.lifecycle.token();
            while stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(250))).await.is_some() {
                if task.publish_once(before.as_ref(), &after).await.is_ok() {
                    return;
                }
            }
        };
        // It belongs to the trace of this call.
        self.deps.lifecycle.spawn("sessions.publish", publishing.in_current_span());
    }

    async fn publish_once(&self, before: Option<&Session>, after: &Session) -> Result<(), Error> {
        let live = after.live(self.now());
        let old = before.map(|before| before.token_hash).filter(|old| *old != after.token_hash);
        let rotated = match old {
            Some(old) => self.deps.sessions.rotate(&live, &old).await?,
            None => false,
        };
        if !rotated {
            // New, or the live copy was lost, or the token stays: the newer version stands in any case.
            self.deps.sessions.put(&live).await?;
        }
        Ok(())
    }

    /// Makes the end of a session known. If that fails, it is done within a second or two of the store's return.
    pub(super) async fn end_live(&self, id: SessionId, version: i64) {
        if let Err(error) = endings::settle(&self.deps.db, &self.deps.sessions, id, version).await {
            tracing::warn!(session.id = %id, cause = %error, "an ended session may still be live; tried again");
        }
    }
}
