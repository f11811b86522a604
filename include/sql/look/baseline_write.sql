-- Purpose: note what a whole look showed, or what a person confirmed.
-- Parameters: sync_name, target_id, installation_id, account_id, document (JSON).
-- Indexes: source_baseline_pkey.
INSERT INTO krayin_sync.source_baseline (sync_name, target_id, installation_id, account_id, document)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(document)s)
ON CONFLICT (sync_name, target_id, installation_id, account_id) DO UPDATE
SET document = excluded.document, noted_at = clock_timestamp()
