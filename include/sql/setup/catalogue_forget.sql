-- Purpose: read the catalogue anew at the next occasion.
-- Parameters: target_id.
-- Indexes: none needed, one row per connection.
DELETE FROM krayin_sync.krayin_catalogue WHERE target_id = %(target_id)s
