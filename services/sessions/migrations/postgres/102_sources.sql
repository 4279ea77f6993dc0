-- The session that was handed over: a guest's without a cart shares the one that is begun later.
ALTER TABLE sessions ADD COLUMN linked_source_id UUID;
