//! The SQL of the outbox.

crate::statements! {
    /// Adds events to the log in their order; their positions come later.
    APPEND = {
        postgres: "INSERT INTO outbox (id, type, aggregate_id, aggregate_seq, partition, occurred_at, traceparent, journey_id, \
                session_id, actor, payload) \
            SELECT n.id, n.type, n.aggregate_id, n.aggregate_seq, n.partition, n.occurred_at, n.traceparent, n.journey_id, \
                n.session_id, decode(n.actor, 'hex'), decode(n.payload, 'hex') \
            FROM json_to_recordset(CAST($1 AS JSON)) AS n (id UUID, type TEXT, aggregate_id TEXT, aggregate_seq BIGINT, \
                partition BIGINT, occurred_at BIGINT, traceparent TEXT, journey_id TEXT, session_id TEXT, actor TEXT, payload TEXT)",
        sqlite: "INSERT INTO outbox (id, type, aggregate_id, aggregate_seq, partition, occurred_at, traceparent, journey_id, \
                session_id, actor, payload) \
            SELECT unhex(n.value ->> 'id'), n.value ->> 'type', n.value ->> 'aggregate_id', n.value ->> 'aggregate_seq', \
                n.value ->> 'partition', n.value ->> 'occurred_at', n.value ->> 'traceparent', n.value ->> 'journey_id', \
                n.value ->> 'session_id', unhex(n.value ->> 'actor'), unhex(n.value ->> 'payload') \
            FROM json_each($1) AS n",
    };
    /// Whether an event waits for its position.
    WAITING = "SELECT 1 AS one FROM outbox WHERE position IS NULL LIMIT 1";
    /// How many events wait for their positions; beyond a hundred thousand the figure no longer matters.
    COUNT_WAITING = "SELECT COUNT(*) AS waiting FROM (SELECT 1 AS one FROM outbox WHERE position IS NULL LIMIT 100000) AS w";
    /// Gives committed events their places, dense in each partition, in the order of insertion.
    ASSIGN = "UPDATE outbox SET position = n.place FROM ( \
            SELECT w.ordinal AS slot, h.position + ROW_NUMBER() OVER (PARTITION BY w.partition ORDER BY w.ordinal) AS place \
            FROM (SELECT ordinal, partition FROM outbox WHERE position IS NULL ORDER BY ordinal LIMIT $1) AS w \
            JOIN outbox_heads AS h ON h.partition = w.partition) AS n \
        WHERE outbox.ordinal = n.slot \
        RETURNING id, type, aggregate_id, aggregate_seq, partition, position, occurred_at, traceparent, journey_id, \
            session_id, actor, payload";
    /// Moves a partition's head.
    ADVANCE_HEAD = "UPDATE outbox_heads SET position = $2 WHERE partition = $1 AND position < $2";
    /// The last position of each partition.
    HEADS = "SELECT partition, position FROM outbox_heads ORDER BY partition";
    /// Events of a partition after a position.
    SINCE = "SELECT id, type, aggregate_id, aggregate_seq, partition, position, occurred_at, traceparent, journey_id, \
        session_id, actor, payload FROM outbox WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3";
    /// Forgets old events that were given their places, some at a time from the oldest.
    PRUNE = "DELETE FROM outbox WHERE ordinal < (SELECT MIN(ordinal) FROM outbox) + 1000 AND occurred_at < $1 \
        AND position IS NOT NULL";
    /// Keeps a fact of the schema, unless it is known.
    KEEP_FACT = "INSERT INTO kit_facts (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    /// A fact of the schema.
    FACT = "SELECT value FROM kit_facts WHERE name = $1";
}
