//! The SQL: named constants, one function per question.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::{ProfileId, SessionId},
    money::Currency,
    store::{Conn, Error, Row},
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::domain::{Body, Cart, CartId, State, coupon::Coupon, delivery::ShippingMethod};

omnimesh_kit::statements! {
    /// One cart.
    CART = "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
        freeze_expires_at, created_at, updated_at, body FROM carts WHERE id = $1";
    /// One cart, kept from others until the end of the transaction.
    CART_LOCKED = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts WHERE id = $1 FOR UPDATE",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts WHERE id = $1"
    };
    /// Two carts, locked in key order, so that two merges never wait for each other.
    PAIR_LOCKED = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts WHERE id = $1 OR id = $2 ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts WHERE id = $1 OR id = $2 ORDER BY id"
    };
    /// The carts of an order, locked.
    OF_ORDER_LOCKED = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts WHERE order_id = $1 ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts WHERE order_id = $1 ORDER BY id"
    };
    /// The carts of a profile's customer: those to go on with first, the profile's own before those of the customer's other
    /// profiles, these before the session's, the latest first. Merged ones lead an old lineage to where its cart went.
    OF_OWNER = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE (profile_id = ANY(ARRAY(SELECT CAST($1 AS UUID) UNION ALL SELECT m.profile_id FROM customer_profiles AS p \
                JOIN customer_profiles AS m ON m.root_id = p.root_id WHERE p.profile_id = $1)) AND state IN ('ACTIVE', 'FROZEN') OR session_id = $2 AND state <> 'ORDERED') \
            AND currency = COALESCE($3, currency) \
            ORDER BY CASE state WHEN 'MERGED' THEN 1 ELSE 0 END, CASE WHEN profile_id = $1 THEN 0 WHEN profile_id IS NOT NULL THEN 1 ELSE 2 END, \
                updated_at DESC, id LIMIT 64",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE (profile_id IN (SELECT $1 UNION ALL SELECT m.profile_id FROM customer_profiles AS p \
                JOIN customer_profiles AS m ON m.root_id = p.root_id WHERE p.profile_id = $1) AND state IN ('ACTIVE', 'FROZEN') OR session_id = $2 AND state <> 'ORDERED') \
            AND currency = COALESCE($3, currency) \
            ORDER BY CASE state WHEN 'MERGED' THEN 1 ELSE 0 END, CASE WHEN profile_id = $1 THEN 0 WHEN profile_id IS NOT NULL THEN 1 ELSE 2 END, \
                updated_at DESC, id LIMIT 64"
    };
    /// The carts that some profiles go on with.
    LIVE_OF = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE profile_id = ANY($1) AND state IN ('ACTIVE', 'FROZEN')",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) AND state IN ('ACTIVE', 'FROZEN')"
    };
    /// Where the carts of some profiles went, unless that is an order by now.
    WENT_TO = {
        postgres: "SELECT DISTINCT t.id FROM carts AS s JOIN carts AS t ON t.id = s.merged_into \
            WHERE s.profile_id = ANY($1) AND s.state = 'MERGED' AND t.state <> 'ORDERED'",
        sqlite: "SELECT DISTINCT t.id FROM carts AS s JOIN carts AS t ON t.id = s.merged_into \
            WHERE s.profile_id IN (SELECT unhex(value) FROM json_each($1)) AND s.state = 'MERGED' AND t.state <> 'ORDERED'"
    };
    /// All carts of some profiles, locked.
    ALL_OF_LOCKED = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE profile_id = ANY($1) ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id"
    };
    /// The guests' carts of some sessions, locked.
    GUESTS_LOCKED = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE session_id = ANY($1) AND profile_id IS NULL ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE session_id IN (SELECT unhex(value) FROM json_each($1)) AND profile_id IS NULL ORDER BY id"
    };
    /// What went into some carts, locked.
    WENT_INTO_LOCKED = {
        postgres: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE merged_into = ANY($1) ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, version, events, state, currency, session_id, profile_id, channel, merged_into, order_id, \
            freeze_expires_at, created_at, updated_at, body FROM carts \
            WHERE merged_into IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id"
    };
    /// Keeps carts from others until the end of the transaction, in key order.
    LOCK = {
        postgres: "SELECT id FROM carts WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        sqlite: "SELECT id FROM carts WHERE id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id"
    };
    /// Freezes that ended by themselves.
    THAWED = "SELECT id FROM carts WHERE state = 'FROZEN' AND order_id IS NULL AND freeze_expires_at <= $1 \
        ORDER BY freeze_expires_at LIMIT 50";
    /// Gives a guest's cart to another lineage: the first one finds it no more.
    TAKE = "UPDATE carts SET session_id = $2, guest_of = NULL WHERE id = $1";
    /// A customer whose carts have to be settled later.
    SETTLE_LATER = "INSERT INTO settlements (profile_id, due_at, tries) VALUES ($1, $2, 0) \
        ON CONFLICT (profile_id) DO UPDATE SET due_at = excluded.due_at";
    /// Customers whose carts are to be settled now.
    SETTLE_NOW = "SELECT profile_id, tries FROM settlements WHERE due_at <= $1 ORDER BY due_at LIMIT 50";
    /// Later again.
    SETTLE_AGAIN = "UPDATE settlements SET due_at = $2, tries = tries + 1 WHERE profile_id = $1";
    /// It is settled.
    SETTLED = "DELETE FROM settlements WHERE profile_id = $1";
    /// Stores a new cart, unless its owner has one.
    INSERT_CART = "INSERT INTO carts (id, version, events, state, currency, session_id, profile_id, channel, merged_into, \
        order_id, freeze_expires_at, prices_expire_at, created_at, updated_at, body, guest_of) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING";
    /// Takes a guest's place from a merged cart.
    RETIRE = "UPDATE carts SET guest_of = NULL WHERE id = $1 AND state = 'MERGED'";
    /// Changes a cart, if it still has the version that was read.
    UPDATE_CART = "UPDATE carts SET version = $2, events = $3, state = $4, profile_id = $5, merged_into = $6, \
        order_id = $7, freeze_expires_at = $8, prices_expire_at = $9, updated_at = $10, body = $11 \
        WHERE id = $1 AND version = $12";
    /// Creates or replaces a coupon.
    UPSERT_COUPON = "INSERT INTO coupons (code, body, updated_at) VALUES ($1, $2, $3) \
        ON CONFLICT (code) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at";
    /// Coupons by code.
    COUPONS_OF = {
        postgres: "SELECT body FROM coupons WHERE code = ANY($1) ORDER BY code",
        sqlite: "SELECT body FROM coupons WHERE code IN (SELECT value FROM json_each($1)) ORDER BY code"
    };
    /// Coupons after a code.
    COUPONS = "SELECT body FROM coupons WHERE code > $1 ORDER BY code LIMIT $2";
    /// Creates or replaces a shipping method.
    UPSERT_METHOD = "INSERT INTO shipping_methods (id, body, updated_at) VALUES ($1, $2, $3) \
        ON CONFLICT (id) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at";
    /// One shipping method.
    METHOD = "SELECT body FROM shipping_methods WHERE id = $1";
    /// All shipping methods; a retailer has a handful.
    METHODS = "SELECT body FROM shipping_methods ORDER BY id LIMIT 1000";
}

/// A cart.
pub(crate) async fn cart(conn: &mut Conn, id: CartId) -> Result<Option<Cart>, Error> {
    conn.fetch_optional(CART, args![id.0]).await?.map(|row| read(&row)).transpose()
}

/// A cart that nobody else changes until the end of the transaction.
pub(crate) async fn cart_locked(conn: &mut Conn, id: CartId) -> Result<Option<Cart>, Error> {
    conn.fetch_optional(CART_LOCKED, args![id.0]).await?.map(|row| read(&row)).transpose()
}

/// Two carts, locked in key order; in the order asked.
pub(crate) async fn pair_locked(conn: &mut Conn, one: CartId, two: CartId) -> Result<Option<(Cart, Cart)>, Error> {
    let rows = conn.fetch_all(PAIR_LOCKED, args![one.0, two.0]).await?;
    let mut carts = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    carts.sort_by_key(|cart| cart.id != one);
    let mut carts = carts.into_iter();
    Ok(carts.next().zip(carts.next()))
}

/// The carts that are frozen for an order or became it, locked.
pub(crate) async fn of_order_locked(conn: &mut Conn, order: &str) -> Result<Vec<Cart>, Error> {
    conn.fetch_all(OF_ORDER_LOCKED, args![order]).await?.iter().map(read).collect()
}

/// The carts of a session and of its profile's customer, the one to go on with first.
pub(crate) async fn of_owner(
    conn: &mut Conn,
    session: SessionId,
    profile: Option<ProfileId>,
    currency: Option<Currency>,
) -> Result<Vec<Cart>, Error> {
    let values = args![profile.map(|id| id.0), session.0, currency.map(Currency::code)];
    conn.fetch_all(OF_OWNER, values).await?.iter().map(read).collect()
}

/// The live carts of some profiles.
pub(crate) async fn live_of(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<Cart>, Error> {
    conn.fetch_all(LIVE_OF, args![uuids(profiles)]).await?.iter().map(read).collect()
}

/// The carts that merged carts of some profiles went into, one step.
pub(crate) async fn went_to(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<CartId>, Error> {
    let rows = conn.fetch_all(WENT_TO, args![uuids(profiles)]).await?;
    rows.iter().map(|row| row.get("id").map(CartId)).collect()
}

/// All carts of some profiles, that nobody else changes until the end of the transaction.
pub(crate) async fn all_of_locked(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<Cart>, Error> {
    conn.fetch_all(ALL_OF_LOCKED, args![uuids(profiles)]).await?.iter().map(read).collect()
}

/// The carts of some sessions that name no profile, ordered ones too, locked.
pub(crate) async fn guests_locked(
    conn: &mut Conn,
    sessions: impl Iterator<Item = SessionId>,
) -> Result<Vec<Cart>, Error> {
    let ids: Vec<_> = sessions.map(|id| id.0).collect();
    conn.fetch_all(GUESTS_LOCKED, args![ids]).await?.iter().map(read).collect()
}

/// The carts that went into some carts, locked.
pub(crate) async fn went_into_locked(conn: &mut Conn, carts: Vec<CartId>) -> Result<Vec<Cart>, Error> {
    let ids: Vec<_> = carts.into_iter().map(|id| id.0).collect();
    conn.fetch_all(WENT_INTO_LOCKED, args![ids]).await?.iter().map(read).collect()
}

/// Keeps carts from others until the end of the transaction.
pub(crate) async fn lock(conn: &mut Conn, carts: impl Iterator<Item = CartId>) -> Result<(), Error> {
    let ids: Vec<_> = carts.map(|id| id.0).collect();
    conn.fetch_all(LOCK, args![ids]).await.map(drop)
}

/// Carts whose freeze ended by itself.
pub(crate) async fn thawed(conn: &mut Conn, now: Timestamp) -> Result<Vec<CartId>, Error> {
    conn.fetch_all(THAWED, args![now]).await?.iter().map(|row| row.get("id").map(CartId)).collect()
}

/// Gives a guest's cart to another lineage.
pub(crate) async fn take(conn: &mut Conn, cart: CartId, session: SessionId) -> Result<(), Error> {
    conn.execute(TAKE, args![cart.0, session.0]).await.map(drop)
}

/// Has a customer's carts settled at that moment.
pub(crate) async fn settle_later(conn: &mut Conn, profile: ProfileId, due: Timestamp) -> Result<(), Error> {
    conn.execute(SETTLE_LATER, args![profile.0, due]).await.map(drop)
}

/// Customers whose carts are to be settled now, and how often that was tried.
pub(crate) async fn settle_now(conn: &mut Conn, now: Timestamp) -> Result<Vec<(ProfileId, i64)>, Error> {
    let rows = conn.fetch_all(SETTLE_NOW, args![now]).await?;
    rows.iter().map(|row| Ok((ProfileId(row.get("profile_id")?), row.get("tries")?))).collect()
}

/// Puts a settlement off.
pub(crate) async fn settle_again(conn: &mut Conn, profile: ProfileId, due: Timestamp) -> Result<(), Error> {
    conn.execute(SETTLE_AGAIN, args![profile.0, due]).await.map(drop)
}

/// Nothing is left to be settled.
pub(crate) async fn settled(conn: &mut Conn, profile: ProfileId) -> Result<(), Error> {
    conn.execute(SETTLED, args![profile.0]).await.map(drop)
}

fn uuids(profiles: &[ProfileId]) -> Vec<Uuid> {
    profiles.iter().map(|id| id.0).collect()
}

/// Stores a new cart; `false` if its owner has one.
pub(crate) async fn insert(conn: &mut Conn, cart: &Cart) -> Result<bool, Error> {
    let state = columns(&cart.state);
    let values = args![
        cart.id.0,
        cart.version,
        cart.events,
        cart.state.name(),
        cart.currency.code(),
        cart.session.map(|id| id.0),
        cart.profile.map(|id| id.0),
        cart.channel,
        state.merged_into,
        state.order,
        state.freeze_expires_at,
        cart.body.prices.expires_at,
        cart.created_at,
        cart.updated_at,
        json(&cart.body)?,
        cart.session.filter(|_| cart.profile.is_none()).map(|id| id.0),
    ];
    Ok(conn.execute(INSERT_CART, values).await? == 1)
}

/// Takes a guest's place from a merged cart that leads to an order: nothing goes on there.
pub(crate) async fn retire(conn: &mut Conn, cart: CartId) -> Result<(), Error> {
    conn.execute(RETIRE, args![cart.0]).await.map(drop)
}

/// Changes a cart; `false` if it does not have the version `seen` any more.
pub(crate) async fn update(conn: &mut Conn, cart: &Cart, seen: i64) -> Result<bool, Error> {
    let state = columns(&cart.state);
    let values = args![
        cart.id.0,
        cart.version,
        cart.events,
        cart.state.name(),
        cart.profile.map(|id| id.0),
        state.merged_into,
        state.order,
        state.freeze_expires_at,
        cart.body.prices.expires_at,
        cart.updated_at,
        json(&cart.body)?,
        seen,
    ];
    Ok(conn.execute(UPDATE_CART, values).await? == 1)
}

/// Creates or replaces a coupon.
pub(crate) async fn upsert_coupon(conn: &mut Conn, coupon: &Coupon, now: Timestamp) -> Result<(), Error> {
    conn.execute(UPSERT_COUPON, args![&coupon.code, json(coupon)?, now]).await.map(drop)
}

/// Coupons by code.
pub(crate) async fn coupons_of(conn: &mut Conn, codes: Vec<String>) -> Result<Vec<Coupon>, Error> {
    conn.fetch_all(COUPONS_OF, args![codes]).await?.iter().map(body).collect()
}

/// Coupons after a code, by code.
pub(crate) async fn coupons(conn: &mut Conn, after: &str, limit: i64) -> Result<Vec<Coupon>, Error> {
    conn.fetch_all(COUPONS, args![after, limit]).await?.iter().map(body).collect()
}

/// Creates or replaces a shipping method.
pub(crate) async fn upsert_method(conn: &mut Conn, method: &ShippingMethod, now: Timestamp) -> Result<(), Error> {
    conn.execute(UPSERT_METHOD, args![&method.id, json(method)?, now]).await.map(drop)
}

/// A shipping method.
pub(crate) async fn method(conn: &mut Conn, id: &str) -> Result<Option<ShippingMethod>, Error> {
    conn.fetch_optional(METHOD, args![id]).await?.map(|row| body(&row)).transpose()
}

/// All shipping methods, by id.
pub(crate) async fn methods(conn: &mut Conn) -> Result<Vec<ShippingMethod>, Error> {
    conn.fetch_all(METHODS, args![]).await?.iter().map(body).collect()
}

struct StateColumns<'a> {
    merged_into: Option<Uuid>,
    order: Option<&'a str>,
    freeze_expires_at: Option<Timestamp>,
}

fn columns(state: &State) -> StateColumns<'_> {
    let none = StateColumns { merged_into: None, order: None, freeze_expires_at: None };
    match state {
        State::Active => none,
        State::Frozen { order, expires_at } => {
            StateColumns { order: order.as_deref(), freeze_expires_at: Some(*expires_at), ..none }
        }
        State::Merged { into } => StateColumns { merged_into: Some(into.0), ..none },
        State::Ordered { order } => StateColumns { order: Some(order), ..none },
    }
}

fn read(row: &Row) -> Result<Cart, Error> {
    let order = row.get::<Option<String>>("order_id")?;
    let state = match row.get::<String>("state")?.as_str() {
        "ACTIVE" => State::Active,
        "FROZEN" => State::Frozen { order, expires_at: row.get("freeze_expires_at")? },
        "MERGED" => State::Merged { into: CartId(row.get("merged_into")?) },
        "ORDERED" => State::Ordered { order: order.unwrap_or_default() },
        other => return Err(broken("state", format!("{other} is no state of a cart"))),
    };
    let currency = row.get::<String>("currency")?;
    Ok(Cart {
        id: CartId(row.get("id")?),
        version: row.get("version")?,
        events: row.get("events")?,
        state,
        currency: currency.parse().map_err(|_| broken("currency", "not a currency"))?,
        session: row.get::<Option<Uuid>>("session_id")?.map(SessionId),
        profile: row.get::<Option<Uuid>>("profile_id")?.map(ProfileId),
        channel: row.get("channel")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        body: body::<Body>(row)?,
    })
}

fn body<T: DeserializeOwned>(row: &Row) -> Result<T, Error> {
    // The error's own text could quote an address.
    serde_json::from_str(&row.get::<String>("body")?)
        .map_err(|error| broken("body", format!("unreadable at line {} column {}", error.line(), error.column())))
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| broken("body", error.to_string()))
}

fn broken(column: &str, problem: impl Into<String>) -> Error {
    Error::Column { column: column.to_owned(), problem: problem.into() }
}
