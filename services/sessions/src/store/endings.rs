//! Sessions that ended in a transaction, until the live store knows it.

use omnimesh_kit::{
    args,
    ids::SessionId,
    store::{Conn, Error},
};

omnimesh_kit::statements! {
    /// A session that ended.
    PUT = "INSERT INTO endings (session_id, version) VALUES ($1, $2) \
        ON CONFLICT (session_id) DO UPDATE SET version = excluded.version WHERE endings.version < excluded.version";
    /// Those that the live store may not know of.
    WAITING = "SELECT session_id, version FROM endings ORDER BY session_id LIMIT 100";
    /// The live store knows it.
    DONE = "DELETE FROM endings WHERE session_id = $1 AND version = $2";
}

/// Notes that a session ended, with the version in which it did.
pub(crate) async fn put(conn: &mut Conn, id: SessionId, version: i64) -> Result<(), Error> {
    conn.execute(PUT, args![id.0, version]).await.map(drop)
}

/// Some of those that the live store may not know of.
pub(crate) async fn waiting(conn: &mut Conn) -> Result<Vec<(SessionId, i64)>, Error> {
    let rows = conn.fetch_all(WAITING, args![]).await?;
    rows.iter().map(|row| Ok((SessionId(row.get("session_id")?), row.get("version")?))).collect()
}

/// The live store knows it.
pub(crate) async fn done(conn: &mut Conn, id: SessionId, version: i64) -> Result<(), Error> {
    conn.execute(DONE, args![id.0, version]).await.map(drop)
}
