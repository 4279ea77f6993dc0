-- The sessions of a customer who is erased.
CREATE INDEX holders_profile ON holders (profile_id);
