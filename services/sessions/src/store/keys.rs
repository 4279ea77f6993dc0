//! API keys.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row},
};
use omnimesh_proto::{common::v1::Channel, sessions::v1::ApiKeyKind};
use serde::de::DeserializeOwned;

use super::malformed;
use crate::domain::api_key::{ApiKey, KeySpec};

omnimesh_kit::statements! {
    /// A new key.
    INSERT = "INSERT INTO api_keys (key_id, secret_hash, kind, display_name, scopes, origins, channels, account_id, \
        created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL)";
    /// One key.
    BY_ID = "SELECT key_id, secret_hash, kind, display_name, scopes, origins, channels, account_id, created_at, \
        expires_at, revoked_at FROM api_keys WHERE key_id = $1";
    /// Keys, newest first, after one.
    AFTER = "SELECT key_id, secret_hash, kind, display_name, scopes, origins, channels, account_id, created_at, \
        expires_at, revoked_at FROM api_keys WHERE created_at < $1 OR (created_at = $1 AND key_id < $2) \
        ORDER BY created_at DESC, key_id DESC LIMIT $3";
    /// Revokes a key, the first time.
    REVOKE = "UPDATE api_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL";
}

/// A new key.
pub(crate) async fn insert(conn: &mut Conn, key: &ApiKey) -> Result<(), Error> {
    let channels: Vec<i32> = key.spec.channels.iter().map(|channel| *channel as i32).collect();
    let values = args![
        &key.id,
        key.secret_hash,
        key.spec.kind as i32,
        &key.spec.display_name,
        serde_json::json!(key.spec.scopes).to_string(),
        serde_json::json!(key.spec.origins).to_string(),
        serde_json::json!(channels).to_string(),
        &key.spec.account,
        key.created_at,
        key.expires_at,
    ];
    conn.execute(INSERT, values).await.map(drop)
}

/// One key.
pub(crate) async fn by_id(conn: &mut Conn, id: &str) -> Result<Option<ApiKey>, Error> {
    conn.fetch_optional(BY_ID, args![id]).await?.map(|row| key_of(&row)).transpose()
}

/// Keys, newest first, after one.
pub(crate) async fn after(conn: &mut Conn, created_at: Timestamp, id: &str, limit: i64) -> Result<Vec<ApiKey>, Error> {
    conn.fetch_all(AFTER, args![created_at, id, limit]).await?.iter().map(key_of).collect()
}

/// Revokes a key, the first time.
pub(crate) async fn revoke(conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), Error> {
    conn.execute(REVOKE, args![id, now]).await.map(drop)
}

fn key_of(row: &Row) -> Result<ApiKey, Error> {
    let channels: Vec<i32> = json(row, "channels")?;
    let channels = channels.into_iter().map(Channel::try_from).collect::<Result<_, _>>();
    let spec = KeySpec {
        kind: ApiKeyKind::try_from(row.get::<i32>("kind")?).map_err(|_| malformed("kind"))?,
        display_name: row.get("display_name")?,
        scopes: json(row, "scopes")?,
        origins: json(row, "origins")?,
        channels: channels.map_err(|_| malformed("channels"))?,
        account: row.get("account_id")?,
        ttl: None,
    };
    Ok(ApiKey {
        id: row.get("key_id")?,
        secret_hash: row.get("secret_hash")?,
        spec,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, Error> {
    serde_json::from_str(&row.get::<String>(column)?).map_err(|_| malformed(column))
}
