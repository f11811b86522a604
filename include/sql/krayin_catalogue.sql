-- name: attributes_write
-- Keep the attributes of a Krayin connection that were read anew; the rest of the catalogue is as old as before.
-- Parameters: connection_key, document (JSON).
-- Indexes: krayin_catalogue_pkey.
UPDATE krayin_sync.krayin_catalogue
SET document = %(document)s, attributes_read_at = clock_timestamp()
WHERE connection_key = %(connection_key)s


-- name: expire
-- Have what a Krayin is set up with read anew by whoever needs it next; until then it is what was known.
-- Parameters: target_id.
-- Indexes: none needed, one row per connection.
UPDATE krayin_sync.krayin_catalogue SET read_at = '-infinity' WHERE target_id = %(target_id)s


-- name: known
-- What a Krayin was set up with when it was looked at last, through whichever connection.
-- Parameters: target_id.
-- Indexes: none needed, one row per connection.
SELECT document FROM krayin_sync.krayin_catalogue WHERE target_id = %(target_id)s ORDER BY read_at DESC LIMIT 1


-- name: named_add
-- Keep a lead source or type that was made just now with what is known of a Krayin.
-- Parameters: target_id, path (text[]: the list it belongs to), row (JSON: a list of it).
-- Indexes: none needed, one row per connection.
UPDATE krayin_sync.krayin_catalogue
SET document = jsonb_set(document, %(path)s, (document #> %(path)s) || %(row)s)
WHERE target_id = %(target_id)s


-- name: read
-- The kept catalogue of a Krayin connection, unless it, or what is known of how its Krayin answers, is too old.
-- Parameters: connection_key, max_age, dialect_age (intervals).
-- Indexes: krayin_catalogue_pkey, krayin_target_pkey.
SELECT catalogue.target_id, catalogue.document,
       coalesce(extract(epoch FROM clock_timestamp() - catalogue.attributes_read_at)::float8, 'infinity') AS attributes_age
FROM krayin_sync.krayin_catalogue AS catalogue
JOIN krayin_sync.krayin_target AS target ON target.id = catalogue.target_id
WHERE catalogue.connection_key = %(connection_key)s
  AND catalogue.read_at > clock_timestamp() - %(max_age)s
  AND target.dialect_learned_at > clock_timestamp() - %(dialect_age)s


-- name: write
-- Keep the catalogue of a Krayin connection.
-- Parameters: connection_key, target_id, document (JSON).
-- Indexes: krayin_catalogue_pkey.
INSERT INTO krayin_sync.krayin_catalogue (connection_key, target_id, document, read_at, attributes_read_at)
VALUES (%(connection_key)s, %(target_id)s, %(document)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (connection_key) DO UPDATE
SET target_id = excluded.target_id, document = excluded.document, read_at = excluded.read_at,
    attributes_read_at = excluded.attributes_read_at
