-- Purpose: a run that only shows what would become of chosen contacts has a kind of its own.
SET LOCAL search_path = krayin_sync;

ALTER TABLE sync_run DROP CONSTRAINT sync_run_kind_check;
ALTER TABLE sync_run ADD CONSTRAINT sync_run_kind_check
    CHECK (kind IN ('scheduled', 'manual', 'backfill', 'events', 'reconcile', 'setup', 'preview'));
