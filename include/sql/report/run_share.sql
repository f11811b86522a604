-- Purpose: keep what one loader of a run did so far; returns what each of them did. The row stays locked until the end
--          of the transaction, so that the sum that is written next is nobody's older one.
-- Parameters: run_id, share (text, names the loader and its attempt), numbers (JSON object, all this loader did so far).
-- Indexes: sync_run_pkey.
UPDATE krayin_sync.sync_run
SET summary = summary || jsonb_build_object(
        'loaders', coalesce(summary -> 'loaders', '{}') || jsonb_build_object(%(share)s::text, %(numbers)s::jsonb))
WHERE id = %(run_id)s
RETURNING summary -> 'loaders'
