-- Which profiles are one customer, as the profiles service last said: see omnimesh-kit's module customers.
CREATE TABLE customer_profiles (
    profile_id BLOB PRIMARY KEY,
    root_id BLOB NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX customer_profiles_root ON customer_profiles (root_id);
