//! Lists of orders. Drafts, and what never became an order, are in none.

use omnimesh_kit::{
    clock::Timestamp,
    store::{Conn, Error, Value},
};
use uuid::Uuid;

use super::orders::order_of;
use crate::domain::Order;

/// The SQL of this module.
pub mod sql {
    // The filter, the same for every list: an absent condition is NULL or an empty list.
    macro_rules! filtered {
        (postgres) => {
            "placed_at IS NOT NULL AND (profile_id = ANY($1) OR cardinality($1) = 0) AND (account_id = $2 OR $2 IS NULL) \
            AND (placed_at >= $3 OR $3 IS NULL) AND (placed_at < $4 OR $4 IS NULL) \
            AND (state = ANY($5) OR cardinality($5) = 0) AND (channel = ANY($6) OR cardinality($6) = 0) \
            AND (EXISTS (SELECT 1 FROM order_locations l WHERE l.order_id = orders.id AND l.location_id = $7) OR $7 IS NULL) \
            AND (EXISTS (SELECT 1 FROM order_locations l WHERE l.order_id = orders.id AND l.location_id = ANY($8)) \
                OR cardinality($8) = 0)"
        };
        (sqlite) => {
            "placed_at IS NOT NULL AND (profile_id IN (SELECT unhex(value) FROM json_each($1)) OR $1 = '[]') \
            AND (account_id = $2 OR $2 IS NULL) \
            AND (placed_at >= $3 OR $3 IS NULL) AND (placed_at < $4 OR $4 IS NULL) \
            AND (state IN (SELECT value FROM json_each($5)) OR $5 = '[]') \
            AND (channel IN (SELECT value FROM json_each($6)) OR $6 = '[]') \
            AND (EXISTS (SELECT 1 FROM order_locations l WHERE l.order_id = orders.id AND l.location_id = $7) OR $7 IS NULL) \
            AND ($8 = '[]' OR EXISTS (SELECT 1 FROM order_locations l WHERE l.order_id = orders.id \
                AND l.location_id IN (SELECT value FROM json_each($8))))"
        };
    }

    omnimesh_kit::statements! {
        /// A page of all orders, newest first.
        NEWEST = {
            postgres: concat!("SELECT body FROM orders WHERE ", filtered!(postgres),
                " AND (placed_at, id) < ($9, $10) ORDER BY placed_at DESC, id DESC LIMIT $11"),
            sqlite: concat!("SELECT body FROM orders WHERE ", filtered!(sqlite),
                " AND (placed_at, id) < ($9, $10) ORDER BY placed_at DESC, id DESC LIMIT $11")
        };
        /// A page of a customer's orders, newest first: of the session's lineage or the profiles.
        NEWEST_OF_CUSTOMER = {
            postgres: concat!("SELECT body FROM orders WHERE ", filtered!(postgres),
                " AND (placed_at, id) < ($9, $10) AND (session_id = $12 OR profile_id = ANY($13)) \
                ORDER BY placed_at DESC, id DESC LIMIT $11"),
            sqlite: concat!("SELECT body FROM orders WHERE ", filtered!(sqlite),
                " AND (placed_at, id) < ($9, $10) \
                AND (session_id = $12 OR profile_id IN (SELECT unhex(value) FROM json_each($13))) \
                ORDER BY placed_at DESC, id DESC LIMIT $11")
        };
        /// A page of all orders by id.
        BY_ID = {
            postgres: concat!("SELECT body FROM orders WHERE ", filtered!(postgres),
                " AND id > $9 ORDER BY id LIMIT $10"),
            sqlite: concat!("SELECT body FROM orders WHERE ", filtered!(sqlite), " AND id > $9 ORDER BY id LIMIT $10")
        };
    }
}

/// What to list. Empty lists and `None` do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of one of these profiles.
    pub profiles: Vec<Uuid>,
    /// Of this channel account.
    pub account: Option<String>,
    /// Placed at or after.
    pub start: Option<Timestamp>,
    /// Placed before.
    pub end: Option<Timestamp>,
    /// In these states.
    pub states: Vec<String>,
    /// Of these channels.
    pub channels: Vec<i64>,
    /// With a group at this location.
    pub location: Option<String>,
    /// With a group at one of these: the stores of the staff member who asks.
    pub stores: Vec<String>,
}

impl Filter {
    fn values(&self) -> Vec<Value> {
        vec![
            self.profiles.clone().into(),
            self.account.clone().into(),
            self.start.into(),
            self.end.into(),
            self.states.clone().into(),
            self.channels.clone().into(),
            self.location.clone().into(),
            self.stores.clone().into(),
        ]
    }

    /// Whether an order is in the list: for streams, which see one order at a time.
    #[must_use]
    pub fn holds(&self, order: &Order) -> bool {
        let at = |location: &str| order.groups.iter().any(|group| group.location_id == location);
        let Some(placed_at) = order.placed_at else { return false };
        (self.profiles.is_empty() || order.profile.is_some_and(|own| self.profiles.contains(&own.0)))
            && self
                .account
                .as_ref()
                .is_none_or(|account| order.source.as_ref().is_some_and(|own| own.account_id == *account))
            && self.start.is_none_or(|start| placed_at >= start)
            && self.end.is_none_or(|end| placed_at < end)
            && (self.states.is_empty() || self.states.iter().any(|state| state == order.state.as_str()))
            && (self.channels.is_empty() || self.channels.contains(&i64::from(order.channel)))
            && self.location.as_deref().is_none_or(at)
            && (self.stores.is_empty() || self.stores.iter().any(|store| at(store)))
    }
}

/// Where a page starts: after the order of that time and id.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

impl Default for After {
    fn default() -> Self {
        Self { placed_at: Timestamp::from_micros(i64::MAX), id: Uuid::max() }
    }
}

/// A page, newest first. `customer` restricts it to a session's lineage and some profiles.
///
/// # Errors
/// Whatever the database says.
pub async fn newest(
    conn: &mut Conn,
    filter: &Filter,
    customer: Option<(Uuid, Vec<Uuid>)>,
    after: After,
    limit: i64,
) -> Result<Vec<Order>, Error> {
    let mut values = filter.values();
    values.extend([after.placed_at.into(), after.id.into(), limit.into()]);
    let rows = match customer {
        None => conn.fetch_all(sql::NEWEST, values).await?,
        Some((session, profiles)) => {
            values.extend([session.into(), profiles.into()]);
            conn.fetch_all(sql::NEWEST_OF_CUSTOMER, values).await?
        }
    };
    rows.iter().map(order_of).collect()
}

/// A page by id.
///
/// # Errors
/// Whatever the database says.
pub async fn by_id(conn: &mut Conn, filter: &Filter, after: Uuid, limit: i64) -> Result<Vec<Order>, Error> {
    let mut values = filter.values();
    values.extend([after.into(), limit.into()]);
    conn.fetch_all(sql::BY_ID, values).await?.iter().map(order_of).collect()
}
