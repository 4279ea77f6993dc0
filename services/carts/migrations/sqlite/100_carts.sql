-- Carts: a row each. What is searched or guarded stands in columns, what is read whole in the body (JSON).
CREATE TABLE carts (
    id BLOB PRIMARY KEY,
    version INTEGER NOT NULL,
    events INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ACTIVE', 'FROZEN', 'MERGED', 'ORDERED')),
    currency TEXT NOT NULL,
    session_id BLOB,
    guest_of BLOB,
    profile_id BLOB,
    channel INTEGER NOT NULL,
    merged_into BLOB,
    order_id TEXT,
    freeze_expires_at INTEGER,
    prices_expire_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body TEXT NOT NULL
);

-- One cart to go on with per customer and currency.
CREATE UNIQUE INDEX carts_one_per_profile ON carts (profile_id, currency)
    WHERE state IN ('ACTIVE', 'FROZEN') AND profile_id IS NOT NULL;
-- One cart per guest and currency. It keeps the guest's place when it is claimed or merged, until an order: a call that was
-- late finds it and follows, instead of making a second cart whose lines the next merge would take for the same pieces.
CREATE UNIQUE INDEX carts_one_per_guest ON carts (guest_of, currency)
    WHERE state <> 'ORDERED' AND guest_of IS NOT NULL;
CREATE INDEX carts_session ON carts (session_id) WHERE state <> 'ORDERED';
CREATE INDEX carts_order ON carts (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE coupons (
    code TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE TABLE shipping_methods (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);
