-- Purpose: remember that a checksum diff was planned, in those streams where no other was remembered meanwhile.
-- Parameters: diff_id.
-- Indexes: checksum_diff_compared_pkey, checksum_stream_pkey.
UPDATE krayin_sync.checksum_stream AS stream
SET diff_id = %(diff_id)s, read_at = compared.read_at
FROM krayin_sync.checksum_diff_compared AS compared
WHERE compared.diff_id = %(diff_id)s AND stream.id = compared.stream_id
  AND stream.formula = compared.formula AND stream.diff_id IS NOT DISTINCT FROM compared.base
RETURNING stream.id
