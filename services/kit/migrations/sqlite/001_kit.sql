-- What every service's schema holds for kit: see omnimesh-kit's modules store, idempotency, outbox and inbox.

-- Facts fixed when the schema was made.
CREATE TABLE kit_facts (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Replies of mutations by request id.
CREATE TABLE requests (
    principal TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    reply BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (principal, method, request_id)
);
CREATE INDEX requests_created_at ON requests (created_at);

-- The log of the service's events. The ordinal is the order of insertion, the position the order of the partition's log.
CREATE TABLE outbox (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    aggregate_seq BIGINT NOT NULL,
    partition BIGINT NOT NULL,
    position BIGINT,
    occurred_at BIGINT NOT NULL,
    traceparent TEXT NOT NULL,
    journey_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    actor BLOB NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (aggregate_id, aggregate_seq)
);
CREATE INDEX outbox_unassigned ON outbox (ordinal) WHERE position IS NULL;
CREATE UNIQUE INDEX outbox_position ON outbox (partition, position) WHERE position IS NOT NULL;

-- The last position given in each partition; it outlives pruned events.
CREATE TABLE outbox_heads (
    partition BIGINT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO outbox_heads (partition, position)
WITH RECURSIVE numbers (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 15) SELECT n, 0 FROM numbers;

-- Work that one process at a time may do. The token rises with every new holder.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    token BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- How far each group of this service has read each partition of a producer, and who reads it.
CREATE TABLE checkpoints (
    consumer TEXT NOT NULL,
    producer TEXT NOT NULL,
    partition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    parked BIGINT NOT NULL,
    holder BLOB,
    token BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, producer, partition)
);

-- The processes that share the partitions of a group.
CREATE TABLE consumers (
    consumer TEXT NOT NULL,
    producer TEXT NOT NULL,
    holder BLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, producer, holder)
);

-- Events of aggregates with a poison event, in their order, until they are replayed.
CREATE TABLE parked (
    consumer TEXT NOT NULL,
    producer TEXT NOT NULL,
    partition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    aggregate_id TEXT NOT NULL,
    event BLOB NOT NULL,
    problem TEXT NOT NULL,
    parked_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, producer, partition, position)
);
CREATE INDEX parked_aggregate ON parked (consumer, producer, aggregate_id, position);
