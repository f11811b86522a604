-- Purpose: what a sync remembers of a stream; memories made by another formula are dropped.
-- Parameters: sync_name, stream, target_id, installation_id, account_id, formula.
-- Indexes: sweep_stream_sync_name_stream_target_id_installation_id_acc_key, sweep_bucket_pkey.
WITH opened AS (
    INSERT INTO krayin_sync.sweep_stream AS stream
        (sync_name, stream, target_id, installation_id, account_id, formula)
    VALUES (
        %(sync_name)s, %(stream)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(formula)s
    )
    ON CONFLICT (sync_name, stream, target_id, installation_id, account_id) DO UPDATE
    SET formula = excluded.formula,
        sweep_id = CASE WHEN stream.formula = excluded.formula THEN stream.sweep_id END,
        read_at = CASE WHEN stream.formula = excluded.formula THEN stream.read_at END
    RETURNING id, sweep_id, read_at
),
dropped AS (
    DELETE FROM krayin_sync.sweep_bucket
    WHERE stream_id IN (SELECT id FROM opened WHERE sweep_id IS NULL)
)
SELECT id, sweep_id, read_at FROM opened
