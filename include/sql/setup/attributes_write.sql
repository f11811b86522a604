-- Purpose: keep the attributes of a Krayin connection that were read anew; the rest of the catalogue is as old as before.
-- Parameters: connection_key, document (JSON).
-- Indexes: krayin_catalogue_pkey.
UPDATE krayin_sync.krayin_catalogue
SET document = %(document)s, attributes_read_at = clock_timestamp()
WHERE connection_key = %(connection_key)s
