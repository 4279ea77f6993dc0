//! A transaction that others were in the way of is tried again, as a whole.

use std::{ops::ControlFlow, time::Duration};

use crate::store::{Error, Trouble, Tx};

const TRIES: u32 = 3;

/// How often a transaction was tried. Used by [`transaction!`](crate::transaction) and [`once!`](crate::once).
#[derive(Debug, Default)]
pub struct Attempts {
    failed: u32,
}

impl Attempts {
    /// Counts a failure; after a short random pause says whether to try again.
    pub async fn again(&mut self) -> bool {
        self.failed += 1;
        if self.failed >= TRIES {
            return false;
        }
        let millis = rand::random_range(1..=10 * u64::from(self.failed));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        true
    }
}

/// Ends one try of a transaction: commits on `Ok`, rolls back on `Err`, continues if another try may succeed.
pub async fn settle<T, E: From<Error>>(
    attempts: &mut Attempts,
    tx: Tx,
    result: Result<T, E>,
) -> ControlFlow<Result<T, E>> {
    let (error, contended) = match result {
        Ok(value) => match tx.commit().await {
            Ok(()) => return ControlFlow::Break(Ok(value)),
            Err(error) => {
                let contended = error.is_retryable();
                (E::from(error), contended)
            }
        },
        Err(error) => {
            let contended = tx.trouble() == Some(Trouble::Contention);
            tx.rollback().await;
            (error, contended)
        }
    };
    if contended && attempts.again().await { ControlFlow::Continue(()) } else { ControlFlow::Break(Err(error)) }
}

/// Runs a block in a transaction `tx`: commits on `Ok`, rolls back on `Err`; up to three tries when others were in the way,
/// so the block must not use up what it captures. `?` inside leaves the block. The error type needs `From<store::Error>`.
///
/// ```ignore
/// let cart = kit::transaction!(db, tx => {
///     let cart = store::lock(&mut tx, id).await?;
///     Ok::<_, Error>(cart)
/// })?;
/// ```
#[macro_export]
macro_rules! transaction {
    // A macro, not a function: an async closure over `&mut Tx` is not general enough to be Send.
    ($db:expr, $tx:ident => $body:block) => {{
        let __db: &$crate::store::Db = &$db;
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
            match $crate::store::settle(&mut __attempts, $tx, __result).await {
                ::core::ops::ControlFlow::Continue(()) => {}
                ::core::ops::ControlFlow::Break(result) => break result,
            }
        }
    }};
}
