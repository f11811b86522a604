-- Purpose: the id of a Krayin, registered at first sight.
-- Parameters: base_url (normalised address).
-- Indexes: krayin_target_base_url_key.
INSERT INTO krayin_sync.krayin_target (base_url) VALUES (%(base_url)s)
ON CONFLICT (base_url) DO UPDATE SET base_url = excluded.base_url
RETURNING id
