-- Consents, interactions of channels outside the mesh, carts and orders as their services last told, and the search index.

-- What was said about an address; nothing is changed but by an erasure, which empties address and evidence. The address is found
-- by the keyed hash that identifiers have. `profile_id` is who had proved it then, `speaks_for` all profiles that were one
-- customer with it, 16 bytes each.
CREATE TABLE consents (
    id BLOB PRIMARY KEY,
    address_type BIGINT NOT NULL,
    address_hash BLOB NOT NULL,
    address TEXT NOT NULL,
    purpose BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    decision BIGINT NOT NULL,
    legal_basis BIGINT NOT NULL,
    source BIGINT NOT NULL,
    text_version TEXT NOT NULL,
    evidence TEXT NOT NULL,
    proven INTEGER NOT NULL,
    occurred_at BIGINT NOT NULL,
    expires_at BIGINT,
    profile_id BLOB,
    speaks_for BLOB NOT NULL,
    actor BLOB NOT NULL
);
CREATE INDEX consents_address ON consents (address_hash, purpose, channel);
CREATE INDEX consents_profile ON consents (profile_id);

-- What the interaction was about, where a channel outside the mesh said so.
ALTER TABLE interactions ADD COLUMN summary TEXT NOT NULL DEFAULT '';

-- Interactions that were recorded, by a keyed hash of (source, source_id), for ever; with a keyed hash of all that was said.
CREATE TABLE recorded (
    source_hash BLOB PRIMARY KEY,
    content_hash BLOB NOT NULL,
    interaction_id BLOB NOT NULL
);

-- Carts and orders as last heard. Whose they are follows the rules of interactions. A body of what is over is empty.
CREATE TABLE view_carts (
    cart_id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    profile_id BLOB,
    fixed INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    attach_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX view_carts_profile ON view_carts (profile_id);
CREATE INDEX view_carts_lineage ON view_carts (lineage);
CREATE TABLE view_orders (
    order_id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    profile_id BLOB,
    fixed INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    attach_at BIGINT NOT NULL,
    number TEXT NOT NULL,
    open INTEGER NOT NULL,
    placed_at BIGINT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX view_orders_profile ON view_orders (profile_id, open, placed_at);
CREATE INDEX view_orders_lineage ON view_orders (lineage);
CREATE INDEX view_orders_number ON view_orders (number);

-- By what profiles are searched: folded words of names, digits of phones from the last to the first, and the like.
CREATE TABLE search_terms (
    kind BIGINT NOT NULL,
    term TEXT NOT NULL,
    profile_id BLOB NOT NULL,
    PRIMARY KEY (kind, term, profile_id)
) WITHOUT ROWID;
CREATE INDEX search_terms_profile ON search_terms (profile_id, kind, term);

-- The words of names by everything that one slip of the hand can make of their beginnings.
CREATE TABLE search_slips (
    slip TEXT NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (slip, word)
) WITHOUT ROWID;
CREATE INDEX search_slips_word ON search_slips (word);
