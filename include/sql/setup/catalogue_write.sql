-- Purpose: keep the catalogue of a Krayin connection.
-- Parameters: connection_key, target_id, document (JSON).
-- Indexes: krayin_catalogue_pkey.
INSERT INTO krayin_sync.krayin_catalogue (connection_key, target_id, document, read_at, attributes_read_at)
VALUES (%(connection_key)s, %(target_id)s, %(document)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (connection_key) DO UPDATE
SET target_id = excluded.target_id, document = excluded.document, read_at = excluded.read_at,
    attributes_read_at = excluded.attributes_read_at
