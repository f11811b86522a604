-- Purpose: keep mapped records that differ between extract and plan.
-- Parameters: rows by COPY: run_id, contact_id, desired, person_hash, lead_hash, active_at (or NULL).
-- Indexes: none needed to insert.
COPY krayin_sync.staged_contact (run_id, contact_id, desired, person_hash, lead_hash, active_at) FROM STDIN
