-- Imported documents name their customer by the source's reference: a keyed hash of it finds them when the customer is erased.
ALTER TABLE orders ADD COLUMN customer_key BLOB;
CREATE INDEX orders_of_source_customer ON orders (customer_key) WHERE customer_key IS NOT NULL;

-- Customers of sources who were erased: no document brings them back.
CREATE TABLE erased_customers (
    customer_key BLOB PRIMARY KEY
);
