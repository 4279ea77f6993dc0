-- What guests ordered: their carts are found by the session when the customer is erased who they turned out to be.
CREATE INDEX carts_guests ON carts (session_id) WHERE profile_id IS NULL;
