-- A customer may be several profiles: their carts are found by all of them, the closed ones too.
CREATE INDEX carts_profile ON carts (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX carts_merged ON carts (merged_into) WHERE merged_into IS NOT NULL;
-- Freezes that end by themselves.
CREATE INDEX carts_freeze ON carts (freeze_expires_at) WHERE state = 'FROZEN' AND order_id IS NULL;

-- Customers whose carts can't be brought together, or apart, before one of them is no longer at the till.
CREATE TABLE settlements (
    profile_id BLOB PRIMARY KEY,
    due_at BIGINT NOT NULL,
    tries BIGINT NOT NULL
);
CREATE INDEX settlements_due ON settlements (due_at);
