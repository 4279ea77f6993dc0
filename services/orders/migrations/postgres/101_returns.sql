-- Returns lie in their order's body; here is what they are found and listed by.
CREATE TABLE returns (
    id UUID PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    -- Empty while no location has it.
    location_id TEXT NOT NULL
);
CREATE INDEX returns_of_order ON returns (order_id, id);
CREATE INDEX returns_at_location ON returns (location_id, id);

ALTER TABLE order_events ADD COLUMN return_id TEXT NOT NULL DEFAULT '';
