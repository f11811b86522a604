-- Purpose: what a sync remembers of a stream; memories made by another formula are dropped.
-- Parameters: sync_name, stream, target_id, installation_id, account_id, formula.
-- Indexes: checksum_stream_sync_name_stream_target_id_installation_id_acc_key, checksum_bucket_pkey.
WITH opened AS (
    INSERT INTO krayin_sync.checksum_stream AS stream
        (sync_name, stream, target_id, installation_id, account_id, formula)
    VALUES (
        %(sync_name)s, %(stream)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(formula)s
    )
    ON CONFLICT (sync_name, stream, target_id, installation_id, account_id) DO UPDATE
    SET formula = excluded.formula,
        diff_id = CASE WHEN stream.formula = excluded.formula THEN stream.diff_id END,
        read_at = CASE WHEN stream.formula = excluded.formula THEN stream.read_at END
    RETURNING id, diff_id, read_at
),
dropped AS (
    DELETE FROM krayin_sync.checksum_bucket
    WHERE stream_id IN (SELECT id FROM opened WHERE diff_id IS NULL)
)
SELECT id, diff_id, read_at FROM opened
