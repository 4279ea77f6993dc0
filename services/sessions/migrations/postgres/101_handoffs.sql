-- Sessions that were handed over: what the claimer may do with which cart, and whose it was.
ALTER TABLE sessions ADD COLUMN linked_edit BOOLEAN;
ALTER TABLE sessions ADD COLUMN linked_cart_id TEXT;
ALTER TABLE sessions ADD COLUMN linked_owner_id UUID;
ALTER TABLE sessions ADD COLUMN assisted_by TEXT;
CREATE INDEX sessions_profile ON sessions (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX sessions_linked_owner ON sessions (linked_owner_id) WHERE linked_owner_id IS NOT NULL;
CREATE INDEX sessions_linked_cart ON sessions (linked_cart_id) WHERE linked_cart_id IS NOT NULL;

-- Offers to hand a session over. Code and token are kept as keyed hashes only. The profile is the session's at that time.
CREATE TABLE handoffs (
    id UUID PRIMARY KEY,
    source_session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    profile_id UUID,
    edit BOOLEAN NOT NULL,
    code_mac BYTEA NOT NULL UNIQUE,
    token_mac BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    claimed_at BIGINT,
    claim_session_id UUID,
    claim_channel BIGINT,
    by_associate BOOLEAN,
    revoked_at BIGINT
);
CREATE INDEX handoffs_source ON handoffs (source_session_id);
CREATE INDEX handoffs_claim ON handoffs (claim_session_id) WHERE claim_session_id IS NOT NULL;
CREATE INDEX handoffs_profile ON handoffs (profile_id) WHERE profile_id IS NOT NULL;

-- Sessions that ended here, until the store of live sessions knows it: a crash between the two must not leave one open.
CREATE TABLE endings (
    session_id UUID PRIMARY KEY,
    version BIGINT NOT NULL
);
