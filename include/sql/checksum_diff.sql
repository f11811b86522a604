-- name: begin
-- A new checksum diff, in place of the one before of the sync.
-- Parameters: sync_name, scope_id, read_at.
-- Indexes: checksum_diff_new_bucket_pkey, checksum_diff_difference_pkey; the table of checksum diffs has few rows.
WITH replaced AS (
    DELETE FROM krayin_sync.checksum_diff WHERE sync_name = %(sync_name)s RETURNING id
),
buckets AS (
    DELETE FROM krayin_sync.checksum_diff_new_bucket WHERE diff_id IN (SELECT id FROM replaced)
),
differences AS (
    DELETE FROM krayin_sync.checksum_diff_difference WHERE diff_id IN (SELECT id FROM replaced)
)
INSERT INTO krayin_sync.checksum_diff (sync_name, scope_id, read_at)
VALUES (%(sync_name)s, %(scope_id)s, %(read_at)s)
RETURNING id


-- name: compared
-- Note that a stream was compared, and with which memory. Plans that are being made now may come from an
-- earlier reading than this checksum diff and be written later than it: what they plan counts as planned since. A run that
-- is planning for more than a day is dead.
-- Parameters: diff_id, stream_id, formula, base, sync_name, read_at, margin (interval).
-- Indexes: sync_run_latest.
INSERT INTO krayin_sync.checksum_diff_compared (diff_id, stream_id, formula, base, read_at)
SELECT
    %(diff_id)s,
    %(stream_id)s,
    %(formula)s,
    %(base)s,
    least(%(read_at)s, min(run.started_at)) - %(margin)s::interval
FROM krayin_sync.sync_run AS run
WHERE run.state = 'planning' AND run.started_at > clock_timestamp() - interval '1 day'


-- name: counts
-- How many differences of each kind a checksum diff found in a stream.
-- Parameters: diff_id, stream.
-- Indexes: checksum_diff_difference_pkey.
SELECT difference, count(*)
FROM krayin_sync.checksum_diff_difference
WHERE diff_id = %(diff_id)s AND stream = %(stream)s
GROUP BY difference


-- name: difference
-- Keep differences.
-- Parameters: rows by COPY: diff_id, stream, key, difference.
COPY krayin_sync.checksum_diff_difference (diff_id, stream, key, difference) FROM STDIN


-- name: end
-- Note that a checksum diff is complete.
-- Parameters: diff_id.
-- Indexes: checksum_diff_pkey.
UPDATE krayin_sync.checksum_diff SET compared_at = clock_timestamp() WHERE id = %(diff_id)s


-- name: forget_new
-- Drop what buckets of a checksum diff held; its differences stay until the next checksum diff of the sync.
-- Parameters: diff_id.
-- Indexes: checksum_diff_new_bucket_pkey.
DELETE FROM krayin_sync.checksum_diff_new_bucket WHERE diff_id = %(diff_id)s


-- name: keys
-- The next keys of a checksum diff's differences of some kinds.
-- Parameters: diff_id, stream, differences (text[]), after (a key), size.
-- Indexes: checksum_diff_difference_pkey.
SELECT key
FROM krayin_sync.checksum_diff_difference
WHERE diff_id = %(diff_id)s AND stream = %(stream)s AND key > %(after)s AND difference = ANY(%(differences)s)
ORDER BY key
LIMIT %(size)s


-- name: new_bucket
-- Keep what differing buckets hold now.
-- Parameters: rows by COPY: diff_id, stream_id, bucket, checksum, hashes.
COPY krayin_sync.checksum_diff_new_bucket (diff_id, stream_id, bucket, checksum, hashes) FROM STDIN


-- name: planned_since
-- Records that were planned from a reading later than the remembered checksum diff, and mapped records that are not
-- among the rows of this one; of both only those that no difference names.
-- Parameters: diff_id, stream, stream_id, scope_id, source_kind; planned_since (timestamptz, NULL: ever);
--   every_mapped: look at all mapped records, not only at those planned since.
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
            SELECT split_part(source_id, '/', 1)::bigint AS key, source_read_at
            FROM krayin_sync.mapping
            WHERE scope_id = %(scope_id)s AND source_kind = %(source_kind)s AND state <> 'orphaned'
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


-- name: remember_buckets
-- Remember what the differing buckets of a checksum diff hold.
-- Parameters: diff_id, stream_ids (integer[]).
-- Indexes: checksum_diff_new_bucket_pkey, checksum_bucket_pkey.
INSERT INTO krayin_sync.checksum_bucket AS known (stream_id, bucket, checksum, hashes)
SELECT stream_id, bucket, checksum, hashes
FROM krayin_sync.checksum_diff_new_bucket
WHERE diff_id = %(diff_id)s AND stream_id = ANY(%(stream_ids)s) AND checksum IS NOT NULL
ORDER BY stream_id, bucket
ON CONFLICT (stream_id, bucket) DO UPDATE SET checksum = excluded.checksum, hashes = excluded.hashes


-- name: remember_empty
-- Forget buckets that hold nothing any more.
-- Parameters: diff_id, stream_ids (integer[]).
-- Indexes: checksum_diff_new_bucket_pkey, checksum_bucket_pkey.
DELETE FROM krayin_sync.checksum_bucket AS known
USING krayin_sync.checksum_diff_new_bucket AS fresh
WHERE fresh.diff_id = %(diff_id)s AND fresh.stream_id = ANY(%(stream_ids)s) AND fresh.checksum IS NULL
  AND known.stream_id = fresh.stream_id AND known.bucket = fresh.bucket


-- name: remember_streams
-- Remember that a checksum diff was planned, in those streams where no other was remembered meanwhile.
-- Parameters: diff_id.
-- Indexes: checksum_diff_compared_pkey, checksum_stream_pkey.
UPDATE krayin_sync.checksum_stream AS stream
SET diff_id = %(diff_id)s, read_at = compared.read_at
FROM krayin_sync.checksum_diff_compared AS compared
WHERE compared.diff_id = %(diff_id)s AND stream.id = compared.stream_id
  AND stream.formula = compared.formula AND stream.diff_id IS NOT DISTINCT FROM compared.base
RETURNING stream.id


-- name: remembered_checksums
-- The checksums a sync remembers of a stream, ascending.
-- Parameters: stream_id.
-- Indexes: checksum_bucket_pkey.
COPY (
    SELECT bucket, checksum FROM krayin_sync.checksum_bucket WHERE stream_id = %(stream_id)s ORDER BY bucket
) TO STDOUT


-- name: remembered_hashes
-- The hashes a sync remembers of some buckets of a stream.
-- Parameters: stream_id, buckets (bigint[]).
-- Indexes: checksum_bucket_pkey.
SELECT bucket, hashes FROM krayin_sync.checksum_bucket WHERE stream_id = %(stream_id)s AND bucket = ANY(%(buckets)s)


-- name: stream_open
-- What a sync remembers of a stream; memories made by another formula are dropped.
-- Parameters: sync_name, stream, scope_id, formula.
-- Indexes: checksum_stream_of_scope, checksum_bucket_pkey.
WITH opened AS (
    INSERT INTO krayin_sync.checksum_stream AS stream (sync_name, stream, scope_id, formula)
    VALUES (%(sync_name)s, %(stream)s, %(scope_id)s, %(formula)s)
    ON CONFLICT (sync_name, stream, scope_id) DO UPDATE
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


-- name: take
-- Take the checksum diff that a plan ends with, if it is complete, of that sync, and was not taken before.
-- Parameters: diff_id, sync_name, scope_id.
-- Indexes: checksum_diff_pkey.
UPDATE krayin_sync.checksum_diff
SET remembered_at = clock_timestamp()
WHERE id = %(diff_id)s AND compared_at IS NOT NULL AND remembered_at IS NULL AND sync_name = %(sync_name)s
  AND scope_id = %(scope_id)s
RETURNING id


-- name: unmapped
-- Records that Chatwoot has in the scope of a sync and the mapping does not know: left out so far, or lost.
-- Parameters: sync_name, stream, scope_id, bits (of a key within its bucket), source_kind.
-- Indexes: checksum_bucket_pkey, mapping_of_source.
SELECT (bucket.bucket << %(bits)s::integer) + seen.place - 1
FROM krayin_sync.checksum_stream AS stream
JOIN krayin_sync.checksum_bucket AS bucket ON bucket.stream_id = stream.id
CROSS JOIN LATERAL unnest(bucket.hashes) WITH ORDINALITY AS seen (hash, place)
WHERE stream.sync_name = %(sync_name)s AND stream.stream = %(stream)s AND stream.scope_id = %(scope_id)s
  AND seen.hash IS NOT NULL
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS mapping
      WHERE mapping.scope_id = %(scope_id)s AND mapping.source_kind = %(source_kind)s
        AND mapping.source_id = ((bucket.bucket << %(bits)s::integer) + seen.place - 1)::text)
