-- Partings that somebody asked for, by their own id: why, and who. Partings by a rejected suggestion have theirs there.
CREATE TABLE splits (
    id BLOB PRIMARY KEY,
    reason TEXT NOT NULL,
    actor BLOB NOT NULL,
    created_at BIGINT NOT NULL
);
