-- Purpose: take one value of an erased contact out of what other operations say.
-- Parameters: target_id, value, json_value (as it stands in JSON text).
-- Indexes: none: a scan, erasures are rare.
UPDATE krayin_sync.operation
SET error_message = replace(error_message, %(value)s, '[erased]'),
    candidates = replace(candidates::text, %(json_value)s, '[erased]')::jsonb
WHERE target_id = %(target_id)s
  AND (strpos(error_message, %(value)s) > 0 OR strpos(candidates::text, %(json_value)s) > 0)
