-- Purpose: take one value of an erased contact out of other findings.
-- Parameters: target_id, json_value (as it stands in JSON text).
-- Indexes: none: a scan, erasures are rare.
UPDATE krayin_sync.finding
SET detail = replace(detail::text, %(json_value)s, '[erased]')::jsonb
WHERE target_id = %(target_id)s AND strpos(detail::text, %(json_value)s) > 0
