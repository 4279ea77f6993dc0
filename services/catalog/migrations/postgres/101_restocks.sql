-- What came back to stock, by the event of orders that told of it: each has its effect once, for ever.
CREATE TABLE restocks (
    order_id TEXT NOT NULL,
    event_seq BIGINT NOT NULL,
    PRIMARY KEY (order_id, event_seq)
);
