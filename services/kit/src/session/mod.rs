//! Live sessions: the shared, short-lived copy of what the sessions service owns, so that any service and the gateway can
//! read a session without asking. Losing it loses nothing: [`Found::Missing`] makes the caller ask the sessions service.
//!
//! The sessions service writes its own row first, with a new version, and here after its commit. Every write carries that
//! version, so that writes may arrive late, twice or in another order, and the newest state stands. Nothing here is read,
//! changed and written back.

mod live;
mod store;
mod token;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use redis::RedisError;

use crate::{
    auth::SessionLevel,
    clock::Clock,
    config::Settings,
    error::Fault,
    ids::{ProfileId, SessionId},
    redis_connection,
    secrets::same_bytes,
};
use live::{hash_text, level_text};
use store::{Change, Condition, Fields, Memory, Outcome, Store};

pub use live::LiveSession;
pub use token::{ParseTokenError, SessionToken};

/// How long the mark of an ended session stays: longer than any write that was on its way when it ended.
const GRAVE: Duration = Duration::from_secs(3_600);

/// A store of live sessions that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the store of live sessions does not answer: {0}")]
pub struct Error(#[from] RedisError);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        tracing::warn!(error = %error.0, "the store of live sessions does not answer");
        Self::unavailable("live sessions can't be read at the moment")
    }
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly always it is a session, and it is taken out at once")]
pub enum Found {
    /// It holds.
    Live(LiveSession),
    /// It ended or expired, or the token is not, or no longer, its own.
    Ended,
    /// Nothing is known: the sessions service has to be asked.
    Missing,
}

impl Found {
    /// The session, if it holds.
    #[must_use]
    pub fn live(self) -> Option<LiveSession> {
        match self {
            Self::Live(session) => Some(session),
            Self::Ended | Self::Missing => None,
        }
    }
}

/// The live sessions, in this process or in Redis. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct LiveSessions {
    store: Store,
    clock: Clock,
}

impl std::fmt::Debug for LiveSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.store {
            Store::Memory(_) => "LiveSessions::Memory",
            Store::Redis(_) => "LiveSessions::Redis",
        })
    }
}

impl LiveSessions {
    /// Live sessions where the settings say: in Redis if it is configured, otherwise in this process.
    ///
    /// # Errors
    /// If the URL is not one of Redis.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        match &settings.redis_url {
            Some(url) => Self::redis(url.expose(), clock),
            None => Ok(Self::memory(clock)),
        }
    }

    /// Sessions of this process.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self { store: Store::Memory(Arc::new(Mutex::new(Memory::default()))), clock }
    }

    /// Sessions that every process shares. Connects when first used. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// If the URL is not one of Redis.
    pub fn redis(url: &str, clock: Clock) -> Result<Self, Error> {
        Ok(Self { store: Store::Redis(redis_connection::lazy(url)?), clock })
    }

    /// The session whose valid token this is. Being asked for counts as use: the idle expiry slides, with at most one write
    /// a minute.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn authenticate(&self, token: &SessionToken) -> Result<Found, Error> {
        let session = match self.get(token.session_id()).await? {
            Found::Live(session) => session,
            other => return Ok(other),
        };
        if !same_bytes(&session.token_hash, &token.hash()) {
            return Ok(Found::Ended);
        }
        Ok(Found::Live(self.touch(session).await?))
    }

    /// The session of that id.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn get(&self, id: SessionId) -> Result<Found, Error> {
        let Some(record) = self.store.read(id, &self.clock).await? else { return Ok(Found::Missing) };
        if record.get("revoked").is_some_and(|revoked| revoked != "0") {
            return Ok(Found::Ended);
        }
        let Some(session) = LiveSession::from_fields(id, &record) else {
            tracing::warn!(session.id = %id, "a live session has an unknown form and is loaded again");
            return Ok(Found::Missing);
        };
        Ok(if session.is_live(self.clock.now()) { Found::Live(session) } else { Found::Ended })
    }

    /// Writes a session whole, unless a newer version of it is there. Says whether it was written.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn put(&self, session: &LiveSession) -> Result<bool, Error> {
        self.write(session, vec![Condition::AtMost("version", session.version)]).await
    }

    /// Puts the state with a new token in the place of the one with the old token, in one step: from then on only the new
    /// token is valid. Says whether it was done; it is not if the session ended, or another token took the old one's place.
    ///
    /// # Errors
    /// If the store does not answer: then try again, since the old token may still be valid here.
    pub async fn rotate(&self, session: &LiveSession, old_token_hash: &[u8; 32]) -> Result<bool, Error> {
        let conditions = vec![
            Condition::Is("revoked", "0".to_owned()),
            Condition::Is("token_hash", hash_text(old_token_hash)),
            Condition::Below("version", session.version),
        ];
        if self.write(session, conditions).await? {
            return Ok(true);
        }
        // The first of two tries may have been written although its answer got lost.
        let stored = self.get(session.id).await?.live();
        Ok(stored.is_some_and(|stored| same_bytes(&stored.token_hash, &session.token_hash)))
    }

    /// Sets the session's cart, unless a newer one was set. Says whether there is such a live session.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn set_cart(&self, id: SessionId, cart: Option<&str>, version: i64) -> Result<bool, Error> {
        let set = Fields::from([("cart", cart.unwrap_or_default().to_owned())]);
        self.set(id, "cart_version", set, version).await
    }

    /// Sets the session's profile and level, unless newer ones were set. Says whether there is such a live session. To raise
    /// the level, use [`Self::rotate`]: more privilege needs a new token.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn set_profile(
        &self,
        id: SessionId,
        profile: Option<ProfileId>,
        level: SessionLevel,
        version: i64,
    ) -> Result<bool, Error> {
        let profile = profile.map(|profile| profile.to_string()).unwrap_or_default();
        let set = Fields::from([("profile", profile), ("level", level_text(level).to_owned())]);
        self.set(id, "profile_version", set, version).await
    }

    /// Ends a session: none of its tokens is valid from now on. A mark of it stays for an hour, so that no write that was on
    /// its way can bring it back.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn end(&self, id: SessionId, version: i64) -> Result<(), Error> {
        let change = Change {
            create: true,
            replace: true,
            conditions: Vec::new(),
            set: [("revoked", "1".to_owned()), ("version", version.to_string())].into(),
            raise: Vec::new(),
            expire_at: Some(self.clock.now().plus(GRAVE)),
        };
        self.store.change(id, change, &self.clock).await?;
        Ok(())
    }

    async fn touch(&self, mut session: LiveSession) -> Result<LiveSession, Error> {
        if let Some(idle_expires_at) = session.slide(self.clock.now()) {
            let change = Change {
                create: false,
                replace: false,
                conditions: vec![Condition::Is("revoked", "0".to_owned())],
                set: Fields::new(),
                raise: vec![("idle_expires_at", idle_expires_at.micros())],
                expire_at: None,
            };
            self.store.change(session.id, change, &self.clock).await?;
            session.idle_expires_at = idle_expires_at;
        }
        Ok(session)
    }

    async fn write(&self, session: &LiveSession, conditions: Vec<Condition>) -> Result<bool, Error> {
        let change = Change {
            create: true,
            replace: true,
            conditions,
            set: session.to_fields(),
            raise: Vec::new(),
            // Not the idle expiry: a session that ended by idleness must be known as ended, not be loaded again.
            expire_at: Some(session.expires_at),
        };
        Ok(self.store.change(session.id, change, &self.clock).await? == Outcome::Done)
    }

    /// Fields that change alone have a version of their own: two of them may arrive in either order.
    async fn set(&self, id: SessionId, group: &'static str, mut set: Fields, version: i64) -> Result<bool, Error> {
        set.insert(group, version.to_string());
        let change = Change {
            create: false,
            replace: false,
            conditions: vec![Condition::Is("revoked", "0".to_owned()), Condition::Below(group, version)],
            set,
            raise: vec![("version", version)],
            expire_at: None,
        };
        let outcome = self.store.change(id, change, &self.clock).await?;
        Ok(match outcome {
            Outcome::Done => true,
            Outcome::Missing => false,
            Outcome::Refused => matches!(self.get(id).await?, Found::Live(_)),
        })
    }
}

#[cfg(test)]
mod tests;
