-- Customers as clusters of profiles: claims with where they came from, what they are known by, and what joins and parts them.

ALTER TABLE profiles ADD COLUMN verified_at BIGINT;
ALTER TABLE profiles ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE profiles ADD COLUMN erased_at BIGINT;
UPDATE profiles SET verified_at = (SELECT MIN(i.verified_at) FROM identifiers AS i WHERE i.profile_id = profiles.id);

-- What profiles are known by. The same identifier may be on several: on those of one customer, and on those that were split.
-- The table `identifiers` stays for processes of the version before; a later migration drops it.
CREATE TABLE held_identifiers (
    hash UUID NOT NULL,
    profile_id UUID NOT NULL REFERENCES profiles (id),
    type BIGINT NOT NULL,
    value TEXT NOT NULL,
    strength BIGINT NOT NULL,
    verified_at BIGINT,
    source BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (hash, profile_id)
);
INSERT INTO held_identifiers (hash, profile_id, type, value, strength, verified_at, source, created_at)
    SELECT encode(substring(value_hash FROM 1 FOR 16), 'hex')::uuid, profile_id, type, value, strength, verified_at, source, verified_at
    FROM identifiers;
CREATE INDEX held_identifiers_profile ON held_identifiers (profile_id, strength);
CREATE INDEX held_identifiers_verified ON held_identifiers (hash) WHERE strength = 1;

-- Which profile a channel's record of a person is, for ever; found by a keyed hash of channel, account and reference.
CREATE TABLE sources (
    hash UUID PRIMARY KEY,
    profile_id UUID NOT NULL REFERENCES profiles (id)
);
CREATE INDEX sources_profile ON sources (profile_id);

-- Claims as they were recorded, once for each content; `features` and `keys` are the same as evidence.
CREATE TABLE assertions (
    id UUID PRIMARY KEY,
    profile_id UUID NOT NULL REFERENCES profiles (id),
    content UUID NOT NULL UNIQUE,
    channel BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    customer_ref TEXT NOT NULL,
    claims BYTEA NOT NULL,
    trust BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    features TEXT NOT NULL,
    keys TEXT NOT NULL
);
CREATE INDEX assertions_profile ON assertions (profile_id, id);

-- What joins profiles: a forest, since an edge only ever joins what was apart. Undone ones stay as history.
CREATE TABLE merges (
    id UUID PRIMARY KEY,
    profile_id UUID NOT NULL,
    other_id UUID NOT NULL,
    kind BIGINT NOT NULL,
    terms TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    undone_at BIGINT
);
CREATE INDEX merges_profile ON merges (profile_id) WHERE undone_at IS NULL;
CREATE INDEX merges_other ON merges (other_id) WHERE undone_at IS NULL;

-- What parts profiles for ever: those on different sides of one parting are never joined again but by somebody's decision.
CREATE TABLE partings (
    profile_id UUID NOT NULL,
    parting_id UUID NOT NULL,
    side BIGINT NOT NULL,
    PRIMARY KEY (profile_id, parting_id)
);
CREATE INDEX partings_other ON partings (parting_id, side, profile_id);

-- Pairs of profiles that may be one customer.
CREATE TABLE suggestions (
    id UUID PRIMARY KEY,
    profile_id UUID NOT NULL,
    other_id UUID NOT NULL,
    weight BIGINT NOT NULL,
    terms TEXT NOT NULL,
    state BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX suggestions_profile ON suggestions (profile_id, state);
CREATE INDEX suggestions_other ON suggestions (other_id, state);
CREATE INDEX suggestions_strongest ON suggestions (state, weight, id);

-- The inverted index of evidence, and how many records have each key, those past the index's caps too.
CREATE TABLE match_keys (
    key BIGINT NOT NULL,
    record UUID NOT NULL,
    PRIMARY KEY (key, record)
);
CREATE TABLE match_counts (
    key BIGINT PRIMARY KEY,
    n BIGINT NOT NULL
);

-- To how many customers a claimed value came within an hour; too many end its use as evidence.
CREATE TABLE value_uses (
    hash UUID PRIMARY KEY,
    since BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    quarantined_at BIGINT
);

-- Keyed hashes of identifiers and sources of people who were erased: imports don't bring them back.
CREATE TABLE tombstones (
    hash UUID PRIMARY KEY,
    erased_at BIGINT NOT NULL
);

CREATE TABLE erasures (
    id UUID PRIMARY KEY,
    reason TEXT NOT NULL,
    actor BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    completed_at BIGINT
);
CREATE TABLE erased_profiles (
    profile_id UUID PRIMARY KEY,
    erasure_id UUID NOT NULL REFERENCES erasures (id)
);
CREATE INDEX erased_profiles_erasure ON erased_profiles (erasure_id);
CREATE TABLE erasure_parts (
    erasure_id UUID NOT NULL,
    service TEXT NOT NULL,
    completed_at BIGINT NOT NULL,
    PRIMARY KEY (erasure_id, service)
);
