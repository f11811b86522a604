-- Purpose: note how far a stream of a sync has been read; in the transaction that writes the last plan rows.
-- Parameters: sync_name, stream, target_id, installation_id, account_id, watermark (JSON), settings_hash, run_id.
-- Indexes: watermark_pkey.
INSERT INTO krayin_sync.watermark
    (sync_name, stream, target_id, installation_id, account_id, position, settings_hash, run_id)
VALUES
    (%(sync_name)s, %(stream)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(watermark)s, %(settings_hash)s, %(run_id)s)
ON CONFLICT (sync_name, stream, target_id, installation_id, account_id) DO UPDATE
SET position = excluded.position, settings_hash = excluded.settings_hash, run_id = excluded.run_id,
    moved_at = clock_timestamp()
