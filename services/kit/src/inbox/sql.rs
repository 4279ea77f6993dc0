//! The SQL of the inbox. `$1` is the group, `$2` the producer throughout.

crate::statements! {
    /// Makes a partition's checkpoint.
    ENSURE = "INSERT INTO checkpoints (consumer, producer, partition, position, parked, holder, token, expires_at) \
        VALUES ($1, $2, $3, 0, 0, NULL, 0, 0) ON CONFLICT DO NOTHING";
    /// Prolongs the leases that one holds.
    RENEW = "UPDATE checkpoints SET expires_at = $4 WHERE consumer = $1 AND producer = $2 AND holder = $3";
    /// Says that one takes part in the group.
    JOIN = "INSERT INTO consumers (consumer, producer, holder, expires_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (consumer, producer, holder) DO UPDATE SET expires_at = $4";
    /// Forgets those who went away.
    EXPIRE = "DELETE FROM consumers WHERE consumer = $1 AND producer = $2 AND expires_at < $3";
    /// How many take part.
    MEMBERS = "SELECT COUNT(*) AS members FROM consumers WHERE consumer = $1 AND producer = $2";
    /// Who reads what, and how far.
    STATE = "SELECT partition, position, holder, token, expires_at FROM checkpoints WHERE consumer = $1 AND producer = $2 \
        ORDER BY partition";
    /// Takes a partition, unless its token has risen.
    TAKE = "UPDATE checkpoints SET holder = $5, token = token + 1, expires_at = $6 \
        WHERE consumer = $1 AND producer = $2 AND partition = $3 AND token = $4";
    /// Gives a partition back.
    RELEASE = "UPDATE checkpoints SET holder = NULL, expires_at = 0 \
        WHERE consumer = $1 AND producer = $2 AND partition = $3 AND holder = $4";
    /// Leaves the group.
    LEAVE = "DELETE FROM consumers WHERE consumer = $1 AND producer = $2 AND holder = $3";
    /// How far the group has read, and how much of it is parked.
    PROGRESS = "SELECT partition, position, parked FROM checkpoints WHERE consumer = $1 AND producer = $2 ORDER BY partition";
    /// Moves the checkpoint to a later position under the fencing token, and holds it to the transaction's end; tells how many
    /// events of the partition are parked.
    ADVANCE = "UPDATE checkpoints SET position = $5, expires_at = $6 \
        WHERE consumer = $1 AND producer = $2 AND partition = $3 AND token = $4 AND position < $5 RETURNING parked";
    /// Whether an aggregate is parked. Asked after the checkpoint is held, so that it sees what a replay did before.
    IS_PARKED = "SELECT 1 AS one FROM parked WHERE consumer = $1 AND producer = $2 AND aggregate_id = $3 LIMIT 1";
    /// Parks an event.
    PARK = "INSERT INTO parked (consumer, producer, partition, position, aggregate_id, event, problem, parked_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    /// Counts the partition's parked events, and holds its checkpoint to the transaction's end.
    COUNT_PARKED = "UPDATE checkpoints SET parked = parked + $4 WHERE consumer = $1 AND producer = $2 AND partition = $3";
    /// The first parked event of an aggregate.
    FIRST_PARKED = "SELECT partition, position, event FROM parked WHERE consumer = $1 AND producer = $2 AND aggregate_id = $3 \
        ORDER BY position LIMIT 1";
    /// Takes an event off the list.
    UNPARK = "DELETE FROM parked WHERE consumer = $1 AND producer = $2 AND partition = $3 AND position = $4";
    /// The aggregates that are parked.
    PARKED = "SELECT consumer, producer, aggregate_id, position, problem, parked_at FROM parked AS p \
        WHERE position = (SELECT MIN(f.position) FROM parked AS f WHERE f.consumer = p.consumer AND f.producer = p.producer \
            AND f.aggregate_id = p.aggregate_id) \
        ORDER BY parked_at LIMIT 1000";
}
