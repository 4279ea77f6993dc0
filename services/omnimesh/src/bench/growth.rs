//! A database that has grown: orders, carts and profiles by the hundred thousand, put in by SQL as copies of ones that the mesh
//! made. Each copy has ids, numbers and addresses of its own; only what nobody reads by it (the text of an order, say) is the same.
//! The mesh's log of events and the replies that it keeps are not copied.

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use super::stores::Stores;

/// How many of everything one statement makes.
const AT_ONCE: u64 = 20_000;

/// Rows that come with an order, a cart or a profile.
struct Copied {
    table: &'static str,
    /// Which rows are copied: `p` is the profile, `o` the order, `c` the cart that the mesh made.
    of: &'static str,
    /// How many of them at the most.
    most: u8,
    /// Columns that differ, as SQL of `n`, the copy's number, `place`, the row's among those copied, and `t`, the row.
    columns: &'static [(&'static str, &'static str)],
}

const PROFILE: &str = "omnimesh_bench.uid(n, 'profile')";
const ORDER: &str = "omnimesh_bench.uid(n, 'order')";
const ORDER_TEXT: &str = "omnimesh_bench.text_id('order', n)";
const CART_TEXT: &str = "omnimesh_bench.text_id('cart', n)";
const SESSION: &str = "omnimesh_bench.uid(n, 'session')";
const SESSION_TEXT: &str = "omnimesh_bench.text_id('session', n)";
const HASH: &str = "decode(md5(n || 'hash'), 'hex')";
/// An unpaid order would expire in the middle of the bench.
const LATER: &str = "(extract(epoch FROM now()) * 1e6)::bigint + 2592000000000";

const COPIED: &[Copied] = &[
    Copied {
        table: "carts.carts",
        of: "id = c",
        most: 1,
        columns: &[
            ("id", "omnimesh_bench.uid(n, 'cart')"),
            ("session_id", SESSION),
            ("guest_of", "omnimesh_bench.uid(n, 'guest')"),
        ],
    },
    Copied {
        table: "orders.orders",
        of: "id = o",
        most: 1,
        columns: &[
            ("id", ORDER),
            ("number", "'G' || n"),
            ("profile_id", PROFILE),
            ("session_id", SESSION),
            ("due_at", LATER),
            ("place_request", "omnimesh_bench.uid(n, 'request')"),
        ],
    },
    Copied { table: "orders.order_events", of: "order_id = o", most: 2, columns: &[("order_id", ORDER)] },
    Copied { table: "orders.order_locations", of: "order_id = o", most: 1, columns: &[("order_id", ORDER)] },
    Copied {
        table: "catalog.reservations",
        of: "true",
        most: 1,
        columns: &[("owner_id", ORDER_TEXT), ("expires_at", LATER)],
    },
    Copied {
        table: "catalog.allocations",
        of: "owner_id = (SELECT min(owner_id) FROM catalog.allocations)",
        most: 3,
        columns: &[("owner_id", ORDER_TEXT)],
    },
    Copied { table: "profiles.profiles", of: "id = p", most: 1, columns: &[("id", PROFILE)] },
    Copied {
        table: "profiles.held_identifiers",
        of: "profile_id = p",
        most: 1,
        columns: &[
            ("hash", "omnimesh_bench.uid(n, 'hash')"),
            ("profile_id", PROFILE),
            ("value", "'grown-' || n || '@example.com'"),
        ],
    },
    Copied {
        table: "profiles.identifiers",
        of: "profile_id = p",
        most: 1,
        columns: &[("value_hash", HASH), ("profile_id", PROFILE), ("value", "'grown-' || n || '@example.com'")],
    },
    Copied {
        table: "profiles.search_terms",
        of: "profile_id = p",
        most: 2,
        columns: &[("profile_id", PROFILE), ("term", "t.kind || md5(n || t.term)")],
    },
    Copied {
        table: "profiles.interactions",
        of: "profile_id = p",
        most: 2,
        columns: &[
            ("id", "omnimesh_bench.uid(n, 'interaction' || place)"),
            ("profile_id", PROFILE),
            ("lineage", SESSION_TEXT),
            ("session_id", SESSION_TEXT),
            ("order_id", "CASE t.order_id WHEN '' THEN '' ELSE omnimesh_bench.text_id('order', n) END"),
        ],
    },
    Copied {
        table: "profiles.view_orders",
        of: "profile_id = p",
        most: 1,
        columns: &[
            ("order_id", ORDER_TEXT),
            ("profile_id", PROFILE),
            ("lineage", SESSION_TEXT),
            ("number", "'G' || n"),
        ],
    },
    Copied {
        table: "profiles.view_carts",
        of: "profile_id = p",
        most: 1,
        columns: &[("cart_id", CART_TEXT), ("profile_id", PROFILE), ("lineage", SESSION_TEXT)],
    },
    Copied {
        table: "profiles.order_owners",
        of: "profile_id = p",
        most: 1,
        columns: &[("order_id", ORDER_TEXT), ("profile_id", PROFILE), ("session_id", SESSION_TEXT)],
    },
    Copied { table: "profiles.lineages", of: "true", most: 1, columns: &[("session_id", SESSION_TEXT)] },
    Copied {
        table: "sessions.sessions",
        of: "profile_id = p",
        most: 1,
        columns: &[("id", SESSION), ("token_hash", HASH), ("profile_id", PROFILE), ("cart_id", CART_TEXT)],
    },
];

/// Puts in as many as are lacking between two sizes. The world must hold customers with orders, and carts.
pub(super) async fn grow(stores: &Stores, from: u64, to: u64, bar: &ProgressBar) -> Result<()> {
    let pool = &stores.pool;
    if from == 0 {
        prepare(pool).await?;
    }
    let mut inserts = Vec::with_capacity(COPIED.len());
    for copied in COPIED {
        inserts.push(insert(pool, copied).await.with_context(|| copied.table)?);
    }
    let mut done = from;
    while done < to {
        let next = done.saturating_add(AT_ONCE).min(to);
        bar.set_message(format!("growing to {to}: {done}"));
        for (sql, copied) in inserts.iter().zip(COPIED) {
            let ran = sqlx::query(AssertSqlSafe(sql.clone())).bind(i64::try_from(done)? + 1).bind(i64::try_from(next)?);
            ran.execute(pool).await.with_context(|| copied.table)?;
        }
        done = next;
    }
    bar.set_message(format!("growing to {to}: VACUUM ANALYZE"));
    sqlx::query("VACUUM ANALYZE").execute(pool).await?;
    Ok(())
}

/// What is copied, and how copies get their ids: in the order of time, as the mesh's own.
async fn prepare(pool: &PgPool) -> Result<()> {
    let sql = "
        CREATE TABLE omnimesh_bench.made AS
            SELECT o.id AS o, o.profile_id AS p, (SELECT c.id FROM carts.carts AS c
                WHERE c.profile_id IS NULL AND c.state = 'ACTIVE' ORDER BY c.created_at LIMIT 1) AS c
            FROM orders.orders AS o WHERE o.profile_id IS NOT NULL AND o.placed_at IS NOT NULL ORDER BY o.created_at LIMIT 1;
        CREATE FUNCTION omnimesh_bench.uid(n bigint, what text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
            SELECT (lpad(to_hex(1700000000000 + n / 10), 12, '0') || '7' || substr(md5(n || what), 1, 3) || '8'
                || substr(md5(n || what), 4, 15))::uuid $$;
        CREATE FUNCTION omnimesh_bench.text_id(what text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
            SELECT what || '_01' || lpad(n::text, 9, '0') || substr(md5(n || what), 1, 15) $$;";
    sqlx::raw_sql(sql).execute(pool).await?;
    let made = sqlx::query("SELECT c FROM omnimesh_bench.made").fetch_optional(pool).await?;
    made.context("there is no order to copy")?.try_get::<uuid::Uuid, _>("c").context("there is no cart to copy")?;
    Ok(())
}

/// The statement that copies rows of a table: every column that is not given is the row's own.
async fn insert(pool: &PgPool, copied: &Copied) -> Result<String> {
    let columns = sqlx::query(
        "SELECT column_name::text AS omnimesh_bench FROM information_schema.columns \
         WHERE table_schema || '.' || table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER' \
         ORDER BY ordinal_position",
    );
    let columns = columns.bind(copied.table).fetch_all(pool).await?;
    let columns = columns.iter().map(|row| row.try_get("omnimesh_bench")).collect::<Result<Vec<String>, _>>()?;
    let values = columns.iter().map(|column| {
        let given = copied.columns.iter().find(|(name, _)| name == column);
        given.map_or_else(|| format!("t.{column}"), |(_, sql)| (*sql).to_owned())
    });
    let (values, columns) = (values.collect::<Vec<_>>().join(", "), columns.join(", "));
    let Copied { table, of, most, .. } = copied;
    Ok(format!(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series($1::bigint, $2::bigint) AS g (n) CROSS JOIN \
         (SELECT r.*, row_number() OVER () AS place FROM {table} AS r, omnimesh_bench.made AS m WHERE {of} LIMIT {most}) AS t"
    ))
}
