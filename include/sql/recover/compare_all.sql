-- Purpose: have every sync to a Krayin compare everything in Chatwoot with what was planned once more.
-- Parameters: target_id.
-- Indexes: none: few rows.
UPDATE krayin_sync.watermark SET settings_hash = ''::bytea WHERE target_id = %(target_id)s
