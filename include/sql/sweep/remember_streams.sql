-- Purpose: remember that a sweep was planned, in those streams where no other was remembered meanwhile.
-- Parameters: sweep_id.
-- Indexes: sweep_compared_pkey, sweep_stream_pkey.
UPDATE krayin_sync.sweep_stream AS stream
SET sweep_id = %(sweep_id)s, read_at = compared.read_at
FROM krayin_sync.sweep_compared AS compared
WHERE compared.sweep_id = %(sweep_id)s AND stream.id = compared.stream_id
  AND stream.formula = compared.formula AND stream.sweep_id IS NOT DISTINCT FROM compared.base
RETURNING stream.id
