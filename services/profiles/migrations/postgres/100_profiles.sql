-- Profiles with their identifiers, and the timeline of what every channel did with them.

CREATE TABLE profiles (
    id UUID PRIMARY KEY,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    events BIGINT NOT NULL
);

-- One profile per proved identifier; found by a keyed hash of the normalised value.
CREATE TABLE identifiers (
    type BIGINT NOT NULL,
    value_hash BYTEA NOT NULL,
    profile_id UUID NOT NULL REFERENCES profiles (id),
    value TEXT NOT NULL,
    strength BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    source BIGINT NOT NULL,
    PRIMARY KEY (type, value_hash)
);
CREATE INDEX identifiers_profile ON identifiers (profile_id);

-- A row per event; its id is the event's. The profile is decided by `fixed`, or else by who held the lineage at attach_at.
CREATE TABLE interactions (
    id UUID PRIMARY KEY,
    profile_id UUID,
    fixed BOOLEAN NOT NULL,
    lineage TEXT NOT NULL,
    attach_at BIGINT NOT NULL,
    order_id TEXT NOT NULL,
    kind BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    resource_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    journey_id TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    actor BYTEA NOT NULL
);
CREATE INDEX interactions_newest ON interactions (profile_id, occurred_at, id);
CREATE INDEX interactions_lineage ON interactions (lineage);
CREATE INDEX interactions_order ON interactions (order_id);

-- Sessions that were met. The row is locked by whatever attaches interactions of the session.
CREATE TABLE lineages (
    session_id TEXT PRIMARY KEY,
    touched BIGINT NOT NULL
);

-- Whose a session was from which moment on.
CREATE TABLE holders (
    session_id TEXT NOT NULL,
    since BIGINT NOT NULL,
    profile_id UUID NOT NULL,
    PRIMARY KEY (session_id, since)
);

-- Whose an order is: store staff who fulfil it have no session of the customer's.
CREATE TABLE order_owners (
    order_id TEXT PRIMARY KEY,
    profile_id UUID,
    session_id TEXT NOT NULL,
    placed_at BIGINT NOT NULL
);
