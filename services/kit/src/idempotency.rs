//! One effect per request id: the reply is stored in the transaction of the effect, and a repeated request gets it again.

use std::{ops::ControlFlow, time::Duration};

use omnimesh_proto::common::v1::ErrorReason;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::Code;
use uuid::Uuid;

use crate::{
    args,
    call::Call,
    error::Fault,
    store::{self, Attempts, Db, Trouble, Tx},
};

/// How long replies are kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The SQL of this module.
pub mod sql {
    crate::statements! {
        /// Stores a reply, unless there is one.
        INSERT = "INSERT INTO requests (principal, method, request_id, body_hash, reply, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        /// A stored reply.
        FIND = "SELECT body_hash, reply FROM requests WHERE principal = $1 AND method = $2 AND request_id = $3";
        /// Empties the replies in which a text occurs: the request is still known, its reply and what it said are not.
        ERASE = {
            postgres: "UPDATE requests SET reply = '', body_hash = '' WHERE position($1::bytea IN reply) > 0",
            sqlite: "UPDATE requests SET reply = x'', body_hash = x'' WHERE instr(reply, $1) > 0",
        };
        /// Forgets old replies, some at a time.
        PRUNE = "DELETE FROM requests WHERE (principal, method, request_id) IN \
            (SELECT principal, method, request_id FROM requests WHERE created_at < $1 ORDER BY created_at LIMIT 1000)";
    }
}

/// The identity of a mutation: who asked for it, which one, and under which request id.
#[derive(Clone, Debug)]
pub struct Once {
    principal: String,
    method: &'static str,
    request_id: Option<Uuid>,
    body_hash: [u8; 32],
}

impl Once {
    /// Of that call. With an empty `request_id` nothing is stored and every call has its effect.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if `request_id` is not a UUID.
    pub fn new(call: &Call, method: &'static str, request_id: &str, request: &impl Message) -> Result<Self, Fault> {
        let request_id = match request_id {
            "" => None,
            text => Some(
                Uuid::try_parse(text).map_err(|_| Fault::invalid("request_id", "a UUID is accepted, or nothing"))?,
            ),
        };
        let body_hash = Sha256::digest(request.encode_to_vec()).into();
        Ok(Self { principal: call.principal(), method, request_id, body_hash })
    }

    /// The reply that is stored for this request, if any: for use cases that do work before their transaction.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the request id was used for another request; whatever the database says.
    pub async fn stored<R, E>(&self, db: &Db) -> Result<Option<R>, E>
    where
        R: Message + Default,
        E: From<store::Error> + From<Fault>,
    {
        let Some(request_id) = self.request_id else { return Ok(None) };
        let mut conn = db.read().await?;
        let key = args![&self.principal, self.method, request_id];
        let Some(row) = conn.fetch_optional(sql::FIND, key).await? else { return Ok(None) };
        let body_hash = row.get::<Vec<u8>>("body_hash")?;
        if body_hash.is_empty() {
            let message = "the request had its effect; its reply was erased with the customer";
            return Err(Fault::precondition(ErrorReason::Erased, message).into());
        }
        if body_hash != self.body_hash {
            let message = "request_id was used for another request: a new one is accepted";
            return Err(Fault::new(Code::InvalidArgument, ErrorReason::RequestIdReused, message).into());
        }
        let reply = row.get::<Vec<u8>>("reply")?;
        let reply = R::decode(reply.as_slice()).map_err(Fault::internal)?;
        Ok(Some(reply))
    }

    /// Ends one try of the mutation. Used by [`once!`](crate::once).
    pub async fn settle<R, E>(
        &self,
        db: &Db,
        attempts: &mut Attempts,
        mut tx: Tx,
        result: Result<R, E>,
        redact: impl FnOnce(&R) -> Option<R> + Send,
    ) -> ControlFlow<Result<Reply<R>, E>>
    where
        R: Message + Default,
        E: From<store::Error> + From<Fault>,
    {
        let (error, contended) = match result {
            Ok(reply) => match self.insert(&mut tx, &reply, redact).await {
                Ok(true) => match tx.commit().await {
                    Ok(()) => return ControlFlow::Break(Ok(Reply { message: reply, replayed: false })),
                    Err(error) => {
                        let contended = error.is_retryable();
                        (Some(E::from(error)), contended)
                    }
                },
                Ok(false) => {
                    tx.rollback().await;
                    (None, true)
                }
                Err(error) => {
                    let contended = error.is_retryable();
                    tx.rollback().await;
                    (Some(E::from(error)), contended)
                }
            },
            Err(error) => {
                let contended = tx.trouble() == Some(Trouble::Contention);
                tx.rollback().await;
                (Some(error), contended)
            }
        };
        // Whatever went wrong: if the same request had its effect before, its reply is the answer.
        match self.stored(db).await {
            Ok(Some(message)) => return ControlFlow::Break(Ok(Reply { message, replayed: true })),
            Err(mismatch) => return ControlFlow::Break(Err(error.unwrap_or(mismatch))),
            Ok(None) => {}
        }
        if contended && attempts.again().await {
            return ControlFlow::Continue(());
        }
        let gone =
            || Fault::new(Code::Aborted, ErrorReason::Contention, "the same request runs elsewhere: try again").into();
        ControlFlow::Break(Err(error.unwrap_or_else(gone)))
    }

    async fn insert<R: Message>(
        &self,
        tx: &mut Tx,
        reply: &R,
        redact: impl FnOnce(&R) -> Option<R>,
    ) -> Result<bool, store::Error> {
        let Some(request_id) = self.request_id else { return Ok(true) };
        let body = redact(reply).as_ref().unwrap_or(reply).encode_to_vec();
        let now = tx.now();
        let values = args![&self.principal, self.method, request_id, self.body_hash, body, now];
        Ok(tx.execute(sql::INSERT, values).await? == 1)
    }
}

/// The reply of a mutation, new or repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<R> {
    /// The reply.
    pub message: R,
    /// Whether it is the stored reply of an earlier call.
    pub replayed: bool,
}

impl<R> Reply<R> {
    /// The response; a repeated one says so in the header `omnimesh-replayed`.
    #[must_use]
    pub fn into_response(self) -> tonic::Response<R> {
        let mut response = tonic::Response::new(self.message);
        if self.replayed {
            response.metadata_mut().insert("omnimesh-replayed", tonic::metadata::MetadataValue::from_static("true"));
        }
        response
    }
}

/// Forgets replies older than [`KEPT`]; gives how many.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(db: &Db) -> Result<u64, store::Error> {
    let mut pruned = 0;
    loop {
        let mut tx = db.begin().await?;
        let before = tx.now().minus(KEPT);
        let count = tx.execute(sql::PRUNE, args![before]).await?;
        tx.commit().await?;
        pruned += count;
        if count == 0 {
            return Ok(pruned);
        }
    }
}

/// Runs a block in a transaction `tx`, once for each request id: a repeated request gets the stored reply, also when the block
/// fails the second time. Otherwise as [`transaction!`](crate::transaction). The error type needs `From<store::Error>` and
/// `From<Fault>`. For replies with secrets, `stored = |reply| …` gives what to store in place of the reply.
///
/// ```ignore
/// let reply = kit::once!(db, once, tx => { …; Ok::<AddLineResponse, Error>(response) })?;
/// let reply = kit::once!(db, once, tx => { … }, stored = |reply| CreateKeyResponse { secret: String::new(), ..reply.clone() })?;
/// Ok(reply.into_response())
/// ```
#[macro_export]
macro_rules! once {
    ($db:expr, $once:expr, $tx:ident => $body:block) => {
        $crate::once!(@run $db, $once, $tx, $body, |_| ::core::option::Option::None)
    };
    ($db:expr, $once:expr, $tx:ident => $body:block, stored = |$reply:ident| $stored:expr) => {
        $crate::once!(@run $db, $once, $tx, $body, |$reply| ::core::option::Option::Some($stored))
    };
    (@run $db:expr, $once:expr, $tx:ident, $body:block, $redact:expr) => {{
        let __db: &$crate::store::Db = &$db;
        let __once: &$crate::idempotency::Once = &$once;
        let mut __attempts = $crate::store::Attempts::default();
        loop {
            let mut $tx = match __db.begin().await {
                ::core::result::Result::Ok(tx) => tx,
                ::core::result::Result::Err(error) => {
                    if error.is_retryable() && __attempts.again().await {
                        continue;
                    }
                    break ::core::result::Result::Err(::core::convert::From::from(error));
                }
            };
            let __result = async { $body }.await;
            match __once.settle(__db, &mut __attempts, $tx, __result, $redact).await {
                ::core::ops::ControlFlow::Continue(()) => {}
                ::core::ops::ControlFlow::Break(result) => break result,
            }
        }
    }};
}
