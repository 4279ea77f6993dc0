-- Accounts at marketplaces.
CREATE TABLE accounts (
    id BLOB PRIMARY KEY,
    vendor TEXT NOT NULL,
    display_name TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Sealed, with the id as associated data.
    credentials BLOB NOT NULL,
    credentials_version INTEGER NOT NULL,
    -- The connector's, of the last page that was kept.
    cursor BLOB NOT NULL,
    -- When the last whole pull began.
    pulled_at INTEGER,
    -- While it is pulled: until when it belongs to whoever pulls.
    pull_due_at INTEGER NOT NULL,
    problem TEXT NOT NULL,
    failures INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX accounts_due ON accounts (pull_due_at) WHERE state = 'ACTIVE';

-- Orders as marketplaces have them. No personal data.
CREATE TABLE units (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    native_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    -- Absent for units that never came to the order book.
    order_id BLOB,
    mode TEXT NOT NULL,
    -- The number of connectors.v1.ChannelOrderState.
    state INTEGER NOT NULL,
    raw_state TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ship_by_at INTEGER,
    -- The marketplace chose the carrier.
    has_carrier INTEGER NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (account_id, native_id)
);
CREATE INDEX units_of_order ON units (order_id) WHERE order_id IS NOT NULL;

-- What marketplaces are told, in sequence for each order.
CREATE TABLE actions (
    id BLOB PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    order_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- What makes it one: the same is never told twice.
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    -- The unit that it was sent about last.
    native_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    tries INTEGER NOT NULL,
    problem TEXT NOT NULL,
    deadline_at INTEGER,
    -- Absent once it is over.
    due_at INTEGER,
    sent_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (order_id, kind, subject)
);
CREATE INDEX actions_due ON actions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX actions_of_order ON actions (order_id, sequence);
CREATE INDEX actions_of_account ON actions (account_id) WHERE due_at IS NOT NULL;

-- Orders of the order book that changed and have to be compared with what the marketplace was told.
CREATE TABLE looks (
    order_id BLOB PRIMARY KEY,
    -- Rises with each change: a look that began before does not end a newer one.
    generation INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    due_at INTEGER NOT NULL
);
CREATE INDEX looks_due ON looks (due_at);

-- What needs a person.
CREATE TABLE dead_letters (
    id BLOB PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    -- What makes it one.
    subject TEXT NOT NULL,
    native_id TEXT NOT NULL,
    action_id BLOB,
    action_kind TEXT NOT NULL,
    problem TEXT NOT NULL,
    -- For orders: where to pull from, so that it comes again.
    cursor BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account_id, subject)
);
