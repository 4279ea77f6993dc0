-- Guests' sessions that ended when they were handed over, as at a kiosk, with the session in which the same person goes on.
CREATE TABLE continued (
    source_session_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL
);
CREATE INDEX continued_session ON continued (session_id);
