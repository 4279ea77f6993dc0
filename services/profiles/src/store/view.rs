//! Carts and orders as their services last told: what somebody who serves a customer sees of them.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error},
};
use omnimesh_proto::{
    carts::v1::{CartState, CartSummary},
    orders::v1::OrderSummary,
};
use prost::Message as _;

omnimesh_kit::statements! {
    /// A cart as it stands, unless something newer is known. A guest's becomes the customer's, never the other way round.
    CART_PUT = "INSERT INTO view_carts (cart_id, version, profile_id, fixed, lineage, attach_at, state, changed_at, body) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $8) ON CONFLICT (cart_id) DO UPDATE SET version = excluded.version, \
        profile_id = COALESCE(excluded.profile_id, view_carts.profile_id), fixed = excluded.fixed, state = excluded.state, \
        changed_at = excluded.changed_at, body = excluded.body WHERE view_carts.version < excluded.version";
    /// A cart that went into another.
    CART_OVER = "UPDATE view_carts SET state = $2, body = $3 WHERE cart_id = $1";
    /// The carts of some profiles that go on, the one changed last first.
    CARTS = {
        postgres: "SELECT body FROM view_carts WHERE profile_id = ANY($1) AND state = ANY($2) \
            ORDER BY changed_at DESC, cart_id DESC LIMIT 100",
        sqlite: "SELECT body FROM view_carts WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND state IN (SELECT value FROM json_each($2)) ORDER BY changed_at DESC, cart_id DESC LIMIT 100",
    };
    /// The ids of these carts.
    CART_IDS = {
        postgres: "SELECT cart_id FROM view_carts WHERE profile_id = ANY($1) AND state = ANY($2) ORDER BY cart_id LIMIT 1000",
        sqlite: "SELECT cart_id FROM view_carts WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND state IN (SELECT value FROM json_each($2)) ORDER BY cart_id LIMIT 1000",
    };
    /// An order as it stands, unless something newer is known.
    ORDER_PUT = "INSERT INTO view_orders (order_id, version, profile_id, fixed, lineage, attach_at, number, open, placed_at, body) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6, $9) ON CONFLICT (order_id) DO UPDATE SET version = excluded.version, \
        profile_id = COALESCE(excluded.profile_id, view_orders.profile_id), fixed = excluded.fixed, number = excluded.number, \
        open = excluded.open, body = excluded.body WHERE view_orders.version < excluded.version";
    /// The orders of some profiles that are not over, newest first.
    OPEN_ORDERS = {
        postgres: "SELECT body FROM view_orders WHERE profile_id = ANY($1) AND open = $2 \
            ORDER BY placed_at DESC, order_id DESC LIMIT $3",
        sqlite: "SELECT body FROM view_orders WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) AND open = $2 \
            ORDER BY placed_at DESC, order_id DESC LIMIT $3",
    };
    /// The ids of all their orders that were heard of.
    ORDER_IDS = {
        postgres: "SELECT order_id FROM view_orders WHERE profile_id = ANY($1) ORDER BY order_id LIMIT 100000",
        sqlite: "SELECT order_id FROM view_orders WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            ORDER BY order_id LIMIT 100000",
    };
    /// Whose an order of that number is.
    ORDER_NUMBER = "SELECT profile_id FROM view_orders WHERE number = $1 AND profile_id IS NOT NULL LIMIT 20";
    /// Gives the carts of a session to whoever held it in that time, but for those that say themselves whose they are.
    CARTS_ATTACH = "UPDATE view_carts SET profile_id = $4 WHERE lineage = $1 AND attach_at >= $2 AND attach_at < $3 AND fixed = $5";
    /// The same for orders.
    ORDERS_ATTACH = "UPDATE view_orders SET profile_id = $4 WHERE lineage = $1 AND attach_at >= $2 AND attach_at < $3 \
        AND fixed = $5";
    /// Whether a profile was erased.
    IS_ERASED = "SELECT 1 AS erased FROM erased_profiles WHERE profile_id = $1";
    /// Forgets carts.
    CARTS_DELETE = {
        postgres: "DELETE FROM view_carts WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM view_carts WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// Forgets orders.
    ORDERS_DELETE = {
        postgres: "DELETE FROM view_orders WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM view_orders WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
}

/// Whose something is: as it says itself, or else whoever held the session at that moment.
pub(crate) struct Whose<'a> {
    pub(crate) profile: Option<ProfileId>,
    pub(crate) fixed: bool,
    pub(crate) lineage: &'a str,
    pub(crate) attach_at: Timestamp,
}

/// A cart as it stands, unless something newer is known.
pub(crate) async fn put_cart(conn: &mut Conn, cart: &CartSummary, whose: &Whose<'_>) -> Result<(), Error> {
    let body = if goes_on().contains(&cart.state.into()) { cart.encode_to_vec() } else { Vec::new() };
    let profile = whose.profile.map(|profile| profile.0);
    let values =
        args![&cart.cart_id, cart.version, profile, whose.fixed, whose.lineage, whose.attach_at, cart.state, body];
    conn.execute(CART_PUT, values).await.map(drop)
}

/// A cart that went into another.
pub(crate) async fn cart_merged(conn: &mut Conn, cart_id: &str) -> Result<(), Error> {
    conn.execute(CART_OVER, args![cart_id, CartState::Merged as i32, Vec::<u8>::new()]).await.map(drop)
}

/// The carts of some profiles that go on, the one changed last first.
pub(crate) async fn carts(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<CartSummary>, Error> {
    let rows = conn.fetch_all(CARTS, args![super::uuids(profiles), goes_on()]).await?;
    rows.iter().map(|row| Ok(CartSummary::decode(row.get::<Vec<u8>>("body")?.as_slice()).unwrap_or_default())).collect()
}

/// Their ids.
pub(crate) async fn cart_ids(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<String>, Error> {
    let rows = conn.fetch_all(CART_IDS, args![super::uuids(profiles), goes_on()]).await?;
    rows.iter().map(|row| row.get("cart_id")).collect()
}

/// The ids of the orders of some profiles that were heard of, those of their sessions too.
pub(crate) async fn order_ids(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<String>, Error> {
    let rows = conn.fetch_all(ORDER_IDS, args![super::uuids(profiles)]).await?;
    rows.iter().map(|row| row.get("order_id")).collect()
}

/// An order as it stands, unless something newer is known.
pub(crate) async fn put_order(
    conn: &mut Conn,
    order: &OrderSummary,
    number: &str,
    open: bool,
    whose: &Whose<'_>,
) -> Result<(), Error> {
    let body = if open { order.encode_to_vec() } else { Vec::new() };
    let profile = whose.profile.map(|profile| profile.0);
    let values =
        args![&order.order_id, order.version, profile, whose.fixed, whose.lineage, whose.attach_at, number, open, body];
    conn.execute(ORDER_PUT, values).await.map(drop)
}

/// The orders of some profiles that are not over, newest first.
pub(crate) async fn open_orders(
    conn: &mut Conn,
    profiles: &[ProfileId],
    limit: i64,
) -> Result<Vec<OrderSummary>, Error> {
    let rows = conn.fetch_all(OPEN_ORDERS, args![super::uuids(profiles), true, limit]).await?;
    rows.iter()
        .map(|row| Ok(OrderSummary::decode(row.get::<Vec<u8>>("body")?.as_slice()).unwrap_or_default()))
        .collect()
}

/// Whose orders of that number are.
pub(crate) async fn order_owners(conn: &mut Conn, number: &str) -> Result<Vec<ProfileId>, Error> {
    let rows = conn.fetch_all(ORDER_NUMBER, args![number]).await?;
    rows.iter().map(|row| row.get("profile_id").map(ProfileId)).collect()
}

/// Gives the carts and orders of a session from a moment until another to a profile.
pub(crate) async fn attach(
    conn: &mut Conn,
    session: &str,
    from: Timestamp,
    until: Timestamp,
    profile: ProfileId,
) -> Result<(), Error> {
    for sql in [CARTS_ATTACH, ORDERS_ATTACH] {
        conn.execute(sql, args![session, from, until, profile.0, false]).await?;
    }
    Ok(())
}

/// Whether a profile was erased.
pub(crate) async fn is_erased(conn: &mut Conn, profile: ProfileId) -> Result<bool, Error> {
    Ok(conn.fetch_optional(IS_ERASED, args![profile.0]).await?.is_some())
}

/// Forgets the carts and orders of profiles.
pub(crate) async fn erase(conn: &mut Conn, profiles: &[ProfileId]) -> Result<(), Error> {
    for sql in [CARTS_DELETE, ORDERS_DELETE] {
        conn.execute(sql, args![super::uuids(profiles)]).await?;
    }
    Ok(())
}

/// The states of carts that a customer goes on with.
fn goes_on() -> Vec<i64> {
    [CartState::Active, CartState::Frozen].map(|state| i64::from(state as i32)).into()
}
