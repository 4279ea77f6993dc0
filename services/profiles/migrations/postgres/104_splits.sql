-- Partings that somebody asked for, by their own id: why, and who. Partings by a rejected suggestion have theirs there.
CREATE TABLE splits (
    id UUID PRIMARY KEY,
    reason TEXT NOT NULL,
    actor BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
