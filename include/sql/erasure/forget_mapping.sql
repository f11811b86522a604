-- Purpose: forget which Krayin records a contact had.
-- Parameters: ids (bigint[]).
-- Indexes: mapping_pkey.
DELETE FROM krayin_sync.mapping WHERE id = ANY(%(ids)s)
