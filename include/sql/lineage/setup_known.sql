-- Purpose: what a Krayin was set up with when it was looked at last, through whichever connection.
-- Parameters: target_id.
-- Indexes: none needed, one row per connection.
SELECT document FROM krayin_sync.krayin_catalogue WHERE target_id = %(target_id)s ORDER BY read_at DESC LIMIT 1
