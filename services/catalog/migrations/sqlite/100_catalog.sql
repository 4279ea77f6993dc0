-- What catalog owns. Keys are compared byte by byte, so that ranges over prefixes work and pages come in the
-- same order on both databases. A start of the least BIGINT means "always", an end of the greatest "for ever".

CREATE TABLE products (
    sku TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    group_id TEXT NOT NULL,
    options TEXT NOT NULL,
    tax_category TEXT NOT NULL,
    discontinued BOOLEAN NOT NULL,
    stock_not_counted BOOLEAN NOT NULL,
    content_hash TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- The folded words of names and SKUs, for search by prefix.
CREATE TABLE product_words (
    word TEXT NOT NULL,
    sku TEXT NOT NULL REFERENCES products (sku),
    PRIMARY KEY (word, sku)
);
CREATE INDEX product_words_sku ON product_words (sku, word);

-- Channel 0 is every channel.
CREATE TABLE prices (
    sku TEXT NOT NULL REFERENCES products (sku),
    currency TEXT NOT NULL,
    channel BIGINT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    micros BIGINT NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (sku, currency, channel, starts_at)
);

CREATE TABLE tax_rates (
    country TEXT NOT NULL,
    category TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    rate_ppm BIGINT NOT NULL CHECK (rate_ppm >= 0),
    PRIMARY KEY (country, category, starts_at)
);

CREATE TABLE channel_settings (
    channel BIGINT PRIMARY KEY,
    prices_include_tax BOOLEAN NOT NULL,
    location_ids TEXT NOT NULL
);

-- Coordinates in ten-millionths of a degree, for a first choice by latitude; the body has them exactly.
CREATE TABLE locations (
    location_id TEXT PRIMARY KEY,
    city_folded TEXT NOT NULL,
    latitude_e7 BIGINT,
    offers_pickup BOOLEAN NOT NULL,
    ships BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX locations_city ON locations (city_folded);
CREATE INDEX locations_latitude ON locations (latitude_e7);

CREATE TABLE stock (
    sku TEXT NOT NULL REFERENCES products (sku),
    location_id TEXT NOT NULL REFERENCES locations (location_id),
    on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    allocated BIGINT NOT NULL CHECK (allocated >= 0),
    safety BIGINT NOT NULL CHECK (safety >= 0),
    version BIGINT NOT NULL,
    PRIMARY KEY (sku, location_id)
);

CREATE TABLE reservations (
    owner_id TEXT PRIMARY KEY,
    state BIGINT NOT NULL,
    lines_hash TEXT NOT NULL,
    shortfall TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- State 1 is HELD: what the sweeper looks for.
CREATE INDEX reservations_held ON reservations (expires_at) WHERE state = 1;

-- What is left of an allocation is quantity - released - committed.
CREATE TABLE allocations (
    owner_id TEXT NOT NULL REFERENCES reservations (owner_id),
    line_id TEXT NOT NULL,
    sku TEXT NOT NULL,
    location_id TEXT NOT NULL,
    counted BOOLEAN NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    released BIGINT NOT NULL CHECK (released >= 0),
    committed BIGINT NOT NULL CHECK (committed >= 0),
    PRIMARY KEY (owner_id, line_id, location_id),
    CHECK (released + committed <= quantity)
);
CREATE INDEX allocations_sku ON allocations (sku, location_id);

-- Parts of reservations that were released or committed by request, so that repeating one has no second effect.
CREATE TABLE reservation_parts (
    owner_id TEXT NOT NULL REFERENCES reservations (owner_id),
    part_id TEXT NOT NULL,
    PRIMARY KEY (owner_id, part_id)
);

-- Why stock was adjusted.
CREATE TABLE adjustments (
    sku TEXT NOT NULL,
    location_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    delta BIGINT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    adjusted_at BIGINT NOT NULL,
    PRIMARY KEY (sku, location_id, version)
);
