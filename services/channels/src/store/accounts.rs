//! Accounts.

use std::time::Duration;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row, Tx},
};
use omnimesh_proto::channels::v1::AccountSync;
use uuid::Uuid;

use crate::domain::{AccountId, account::Account};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// A new account, due at once.
        INSERT = "INSERT INTO accounts (id, vendor, display_name, state, credentials, credentials_version, cursor, pull_due_at, \
            problem, failures, created_at) VALUES ($1, $2, $3, 'ACTIVE', $4, 1, $5, $6, '', 0, $6)";
        /// One account.
        BY_ID = "SELECT * FROM accounts WHERE id = $1";
        /// Accounts, oldest first, after one.
        AFTER = "SELECT * FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";
        /// Pauses or resumes; what waits is due at once.
        SET_STATE = "UPDATE accounts SET state = $2, pull_due_at = $3 WHERE id = $1 AND state <> $2";
        /// New credentials; what waits for them is due at once.
        ROTATE = "UPDATE accounts SET credentials = $2, credentials_version = credentials_version + 1, pull_due_at = $3 WHERE id = $1";
        /// Takes the next account that is due, for a while: it comes back if its puller dies.
        CLAIM = {
            postgres: "UPDATE accounts SET pull_due_at = $2 WHERE id = (SELECT id FROM accounts WHERE state = 'ACTIVE' AND pull_due_at <= $1 \
                ORDER BY pull_due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *",
            sqlite: "UPDATE accounts SET pull_due_at = $2 WHERE id = (SELECT id FROM accounts WHERE state = 'ACTIVE' AND pull_due_at <= $1 \
                ORDER BY pull_due_at LIMIT 1) RETURNING *"
        };
        /// A page is kept. Nothing happens if somebody else moved the cursor.
        KEEP_CURSOR = "UPDATE accounts SET cursor = $3, pull_due_at = $4 WHERE id = $1 AND cursor = $2";
        /// A whole pull is done.
        PULLED = "UPDATE accounts SET pulled_at = $2, pull_due_at = $3, problem = '', failures = 0 WHERE id = $1";
        /// A pull failed.
        FAILED = "UPDATE accounts SET pull_due_at = $2, problem = $3, failures = failures + 1 WHERE id = $1";
        /// It is waited for.
        HASTEN = "UPDATE accounts SET pull_due_at = $2 WHERE id = $1 AND pull_due_at > $2";
        /// Goes back to an earlier page.
        REWIND = "UPDATE accounts SET cursor = $2, pull_due_at = $3 WHERE id = $1";
        /// How an account is in sync.
        SYNC = "SELECT (SELECT COUNT(*) FROM units WHERE account_id = $1) AS units, \
            (SELECT COUNT(*) FROM actions WHERE account_id = $1 AND due_at IS NOT NULL AND state <> 'IN_DOUBT') AS pending, \
            (SELECT COUNT(*) FROM actions WHERE account_id = $1 AND due_at IS NOT NULL AND state = 'IN_DOUBT') AS in_doubt, \
            (SELECT COUNT(*) FROM actions WHERE account_id = $1 AND due_at IS NOT NULL AND deadline_at < $2) AS overdue, \
            (SELECT COUNT(*) FROM dead_letters WHERE account_id = $1) AS dead_letters";
    }
}

pub(crate) async fn insert(tx: &mut Tx, account: &Account) -> Result<(), Error> {
    let Account { id, vendor, display_name, credentials, created_at, .. } = account;
    let values = args![id.0, vendor, display_name, credentials.clone(), Vec::<u8>::new(), *created_at];
    tx.execute(sql::INSERT, values).await.map(drop)
}

pub(crate) async fn by_id(conn: &mut Conn, id: AccountId) -> Result<Option<Account>, Error> {
    conn.fetch_optional(sql::BY_ID, args![id.0]).await?.map(|row| account_of(&row)).transpose()
}

pub(crate) async fn after(conn: &mut Conn, id: Uuid, limit: i64) -> Result<Vec<Account>, Error> {
    conn.fetch_all(sql::AFTER, args![id, limit]).await?.iter().map(account_of).collect()
}

pub(crate) async fn set_active(tx: &mut Tx, id: AccountId, active: bool) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::SET_STATE, args![id.0, if active { "ACTIVE" } else { "PAUSED" }, now]).await.map(drop)
}

pub(crate) async fn rotate(tx: &mut Tx, id: AccountId, sealed: Vec<u8>) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::ROTATE, args![id.0, sealed, now]).await.map(drop)
}

pub(crate) async fn claim(tx: &mut Tx, lease: Duration) -> Result<Option<Account>, Error> {
    let now = tx.now();
    tx.fetch_optional(sql::CLAIM, args![now, now.plus(lease)]).await?.map(|row| account_of(&row)).transpose()
}

/// `false` if somebody else moved the cursor meanwhile.
pub(crate) async fn keep_cursor(
    tx: &mut Tx,
    account: &Account,
    cursor: Vec<u8>,
    lease: Duration,
) -> Result<bool, Error> {
    let until = tx.now().plus(lease);
    Ok(tx.execute(sql::KEEP_CURSOR, args![account.id.0, account.cursor.clone(), cursor, until]).await? == 1)
}

pub(crate) async fn pulled(tx: &mut Tx, id: AccountId, began: Timestamp, next: Timestamp) -> Result<(), Error> {
    tx.execute(sql::PULLED, args![id.0, began, next]).await.map(drop)
}

pub(crate) async fn failed(tx: &mut Tx, id: AccountId, next: Timestamp, problem: &str) -> Result<(), Error> {
    tx.execute(sql::FAILED, args![id.0, next, problem]).await.map(drop)
}

pub(crate) async fn hasten(tx: &mut Tx, id: AccountId, at: Timestamp) -> Result<(), Error> {
    tx.execute(sql::HASTEN, args![id.0, at]).await.map(drop)
}

pub(crate) async fn rewind(tx: &mut Tx, id: AccountId, cursor: Vec<u8>) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::REWIND, args![id.0, cursor, now]).await.map(drop)
}

pub(crate) async fn sync(conn: &mut Conn, id: AccountId, now: Timestamp) -> Result<AccountSync, Error> {
    let row = conn.fetch_one(sql::SYNC, args![id.0, now]).await?;
    Ok(AccountSync {
        units: row.get("units")?,
        pending_actions: row.get("pending")?,
        actions_in_doubt: row.get("in_doubt")?,
        overdue_actions: row.get("overdue")?,
        dead_letters: row.get("dead_letters")?,
        ..AccountSync::default()
    })
}

fn account_of(row: &Row) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(row.get("id")?),
        vendor: row.get("vendor")?,
        display_name: row.get("display_name")?,
        active: row.get::<String>("state")? == "ACTIVE",
        credentials: row.get("credentials")?,
        credentials_version: row.get("credentials_version")?,
        cursor: row.get("cursor")?,
        pulled_at: row.get("pulled_at")?,
        problem: row.get("problem")?,
        failures: row.get("failures")?,
        created_at: row.get("created_at")?,
    })
}
