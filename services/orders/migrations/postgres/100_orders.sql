-- Orders: one row each; the columns are what is searched and counted, the body is the whole.
CREATE TABLE orders (
    id UUID PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    event_seq BIGINT NOT NULL,
    state TEXT NOT NULL,
    channel BIGINT NOT NULL,
    profile_id UUID,
    session_id UUID,
    account_id TEXT,
    channel_order_id TEXT,
    source_updated_at BIGINT,
    content_hash BYTEA,
    stale_count BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    -- Absent for drafts, and for those that never became an order: they are in no list.
    placed_at BIGINT,
    -- DRAFT: until when its driver has it to itself. PLACED: when it expires unpaid.
    due_at BIGINT,
    place_principal TEXT,
    place_request UUID,
    place_hash BYTEA,
    body TEXT NOT NULL,
    -- For ever: an import is known by it.
    UNIQUE (account_id, channel_order_id),
    UNIQUE (place_principal, place_request)
);
CREATE INDEX orders_listed ON orders (placed_at DESC, id DESC) WHERE placed_at IS NOT NULL;
CREATE INDEX orders_of_profile ON orders (profile_id, placed_at DESC, id DESC) WHERE profile_id IS NOT NULL;
CREATE INDEX orders_of_session ON orders (session_id, placed_at DESC, id DESC) WHERE session_id IS NOT NULL;
CREATE INDEX orders_of_account ON orders (account_id, placed_at DESC, id DESC) WHERE account_id IS NOT NULL;
CREATE INDEX orders_due ON orders (state, due_at) WHERE due_at IS NOT NULL;

-- Which locations have a group of an order.
CREATE TABLE order_locations (
    order_id UUID NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    location_id TEXT NOT NULL,
    PRIMARY KEY (location_id, order_id)
);

-- What happened to an order; written with the event that tells other services.
CREATE TABLE order_events (
    order_id UUID NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sequence BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    type TEXT NOT NULL,
    group_id TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor BYTEA NOT NULL,
    trace_id TEXT NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

-- What providers reported: the ledger that an order's payment is the fold of.
CREATE TABLE payments (
    provider TEXT NOT NULL,
    provider_event_id TEXT NOT NULL,
    order_id UUID NOT NULL REFERENCES orders (id),
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    refund_task_id UUID,
    occurred_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (provider, provider_event_id)
);
CREATE UNIQUE INDEX payments_of_order ON payments (order_id, sequence);

-- Refunds that somebody has to make; what is left falls as refunds are recorded.
CREATE TABLE refund_tasks (
    id UUID PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    amount BIGINT NOT NULL,
    amount_left BIGINT NOT NULL CHECK (amount_left >= 0),
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX refund_tasks_open ON refund_tasks (id) WHERE amount_left > 0;
CREATE INDEX refund_tasks_of_order ON refund_tasks (order_id, id);

-- One-time codes of pickups: keyed hashes to check with, sealed to send.
CREATE TABLE pickup_codes (
    group_id UUID PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    code_hash BYTEA NOT NULL,
    qr_hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    used_at BIGINT
);

-- Work at other services that follows from a change and survives a crash.
CREATE TABLE tasks (
    id UUID PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    kind TEXT NOT NULL,
    argument TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX tasks_due ON tasks (due_at);

-- Restatements of the time of the known one, with another content: a person should look.
CREATE TABLE import_conflicts (
    order_id UUID NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    content_hash BYTEA NOT NULL,
    received_at BIGINT NOT NULL,
    document BYTEA NOT NULL,
    PRIMARY KEY (order_id, content_hash)
);
