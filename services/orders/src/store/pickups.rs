//! One-time codes of pickups.

use omnimesh_kit::{
    args,
    store::{Conn, Error, Tx},
};

use crate::domain::{GroupId, OrderId};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// A code.
        INSERT = "INSERT INTO pickup_codes (group_id, order_id, code_hash, qr_hash, sealed, tries) VALUES ($1, $2, $3, $4, $5, 0)";
        /// Its sealed form, to send.
        SEALED = "SELECT sealed FROM pickup_codes WHERE group_id = $1 AND used_at IS NULL";
        /// Counts a try before anything is compared, so that guesses at the same time are counted each.
        TRY = "UPDATE pickup_codes SET tries = tries + 1 WHERE group_id = $1 AND tries < $2 AND used_at IS NULL \
            RETURNING code_hash, qr_hash, tries";
        /// Gives a try back that was right.
        UNTRY = "UPDATE pickup_codes SET tries = tries - 1 WHERE group_id = $1 AND tries > 0";
        /// Uses a code up.
        USE = "UPDATE pickup_codes SET used_at = $2 WHERE group_id = $1 AND used_at IS NULL";
    }
}

/// What is kept of a code.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The keyed hash of the code.
    pub code_hash: [u8; 32],
    /// The keyed hash of the QR token.
    pub qr_hash: [u8; 32],
    /// How often it was tried, this time included.
    pub tries: i64,
}

/// Keeps a code.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(tx: &mut Tx, order: OrderId, group: GroupId, kept: &Kept, sealed: Vec<u8>) -> Result<(), Error> {
    tx.execute(sql::INSERT, args![group.0, order.0, kept.code_hash, kept.qr_hash, sealed]).await.map(drop)
}

/// The sealed code of a group, while it is unused.
///
/// # Errors
/// Whatever the database says.
pub async fn sealed(conn: &mut Conn, group: GroupId) -> Result<Option<Vec<u8>>, Error> {
    let sealed = conn.fetch_optional(sql::SEALED, args![group.0]).await?.map(|row| row.get::<Vec<u8>>("sealed"));
    // Empty once the customer was erased.
    Ok(sealed.transpose()?.filter(|sealed| !sealed.is_empty()))
}

/// Counts a try; `None` if there is no code that may be tried.
///
/// # Errors
/// Whatever the database says.
pub async fn count_try(tx: &mut Tx, group: GroupId, most: i64) -> Result<Option<Kept>, Error> {
    let row = tx.fetch_optional(sql::TRY, args![group.0, most]).await?;
    row.map(|row| Ok(Kept { code_hash: row.get("code_hash")?, qr_hash: row.get("qr_hash")?, tries: row.get("tries")? }))
        .transpose()
}

/// Gives a right try back, when the hand-over failed for another reason.
///
/// # Errors
/// Whatever the database says.
pub async fn give_try_back(tx: &mut Tx, group: GroupId) -> Result<(), Error> {
    tx.execute(sql::UNTRY, args![group.0]).await.map(drop)
}

/// Uses a code up; `false` if it was used already.
///
/// # Errors
/// Whatever the database says.
pub async fn use_up(tx: &mut Tx, group: GroupId) -> Result<bool, Error> {
    let now = tx.now();
    Ok(tx.execute(sql::USE, args![group.0, now]).await? == 1)
}
