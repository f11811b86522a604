-- Purpose: keep mapped records that differ between extract and plan.
-- Parameters: rows by COPY: run_id, contact_id, desired.
-- Indexes: none needed to insert.
COPY krayin_sync.staged_contact (run_id, contact_id, desired) FROM STDIN
