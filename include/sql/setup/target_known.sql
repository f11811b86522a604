-- Purpose: the id of a Krayin that was used before.
-- Parameters: base_url (normalised address).
-- Indexes: krayin_target_base_url_key.
SELECT id FROM krayin_sync.krayin_target WHERE base_url = %(base_url)s
