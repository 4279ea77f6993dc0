-- Sessions, verifications of addresses, and API keys.

CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    token_hash BLOB NOT NULL,
    channel BIGINT NOT NULL,
    device BIGINT NOT NULL,
    locale TEXT NOT NULL,
    level TEXT NOT NULL,
    profile_id BLOB,
    cart_id TEXT,
    journey_id BLOB NOT NULL,
    location_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    idle_seconds BIGINT,
    ended_at BIGINT,
    version BIGINT NOT NULL,
    events BIGINT NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Address and code are sealed; what is compared is a keyed hash.
CREATE TABLE verifications (
    id BLOB PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    contact_hash BLOB NOT NULL,
    contact_sealed BLOB NOT NULL,
    code_mac BLOB NOT NULL,
    code_sealed BLOB,
    locale TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    completed_at BIGINT,
    used_at BIGINT,
    profile_id BLOB
);
CREATE INDEX verifications_session ON verifications (session_id);
CREATE INDEX verifications_profile ON verifications (profile_id, contact_hash) WHERE profile_id IS NOT NULL;
CREATE INDEX verifications_open ON verifications (expires_at) WHERE completed_at IS NULL;

CREATE TABLE api_keys (
    key_id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    kind BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    origins TEXT NOT NULL,
    channels TEXT NOT NULL,
    account_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_newest ON api_keys (created_at, key_id);
