-- Purpose: open an approval for what a run is about to hold.
-- Parameters: sync_name, run_id, shown (JSON).
-- Indexes: none needed to insert.
INSERT INTO krayin_sync.approval (sync_name, run_id, shown)
VALUES (%(sync_name)s, %(run_id)s, %(shown)s)
RETURNING id
