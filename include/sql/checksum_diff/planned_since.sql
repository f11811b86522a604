-- Purpose: records that were planned from a reading later than the remembered checksum diff, and mapped records that are not
--   among the rows of this one; of both only those that no difference names.
-- Parameters: diff_id, stream, stream_id, target_id, installation_id, account_id, source_kind; planned_since
--   (timestamptz, NULL: ever); every_mapped: look at all mapped records, not only at those planned since.
-- Indexes: mapping_read_later, checksum_diff_new_bucket_pkey, checksum_bucket_pkey, checksum_diff_difference_pkey.
COPY (
    SELECT DISTINCT mapped.key, mapped.is_there
    FROM (
        SELECT
            mapping.key,
            mapping.source_read_at,
            (CASE WHEN fresh.bucket IS NULL THEN known.hashes ELSE fresh.hashes END)
                [(mapping.key & 63)::integer + 1] IS NOT NULL AS is_there
        FROM (
            SELECT source_id::bigint AS key, source_read_at
            FROM krayin_sync.mapping
            WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
              AND source_kind = %(source_kind)s AND state <> 'orphaned'
              AND source_read_at > CASE
                  WHEN %(every_mapped)s THEN '-infinity' ELSE coalesce(%(planned_since)s::timestamptz, '-infinity')
              END
        ) AS mapping
        LEFT JOIN krayin_sync.checksum_diff_new_bucket AS fresh
            ON fresh.diff_id = %(diff_id)s AND fresh.stream_id = %(stream_id)s AND fresh.bucket = mapping.key >> 6
        LEFT JOIN krayin_sync.checksum_bucket AS known
            ON known.stream_id = %(stream_id)s AND known.bucket = mapping.key >> 6
    ) AS mapped
    WHERE (NOT mapped.is_there OR mapped.source_read_at > coalesce(%(planned_since)s::timestamptz, '-infinity'))
      AND NOT EXISTS (
          SELECT FROM krayin_sync.checksum_diff_difference AS difference
          WHERE difference.diff_id = %(diff_id)s AND difference.stream = %(stream)s AND difference.key = mapped.key
      )
) TO STDOUT
