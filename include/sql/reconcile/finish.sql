-- Purpose: note what a comparison counted, and that it is over.
-- Parameters: id, counts (JSON).
-- Indexes: reconciliation_pkey.
UPDATE krayin_sync.reconciliation
SET counts = %(counts)s, finished_at = clock_timestamp()
WHERE id = %(id)s
