-- name: compare_all
-- Have every sync to a Krayin compare everything in Chatwoot with what was planned once more.
-- Parameters: target_id.
UPDATE krayin_sync.watermark SET settings_hash = ''::bytea
WHERE scope_id IN (SELECT id FROM krayin_sync.scope WHERE target_id = %(target_id)s)


-- name: exact_looks
-- When each stream of a sync was last looked at exactly, if Chatwoot is read by its database. Earlier versions
-- looked so each time.
-- Indexes: none: a few rows for each sync.
SELECT sync_name, stream, max(coalesce(position #>> '{exact,read_at}', position ->> 'read_at')::timestamptz) AS looked_at
FROM krayin_sync.watermark
WHERE position ->> 'snapshot' <> ''
GROUP BY sync_name, stream
ORDER BY sync_name, stream


-- name: known
-- Tell whether a sync has read Chatwoot before.
-- Parameters: sync_name.
-- Indexes: watermark_pkey.
SELECT EXISTS (SELECT FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s)


-- name: load_began
-- Tell whether a sync's first load was ever planned.
-- Parameters: sync_name, stream.
-- Indexes: watermark_pkey (by its first column).
SELECT EXISTS (
    SELECT 1 FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s AND stream = %(stream)s
)


-- name: move
-- Note how far a stream of a sync has been read; in the transaction that writes the last plan rows.
-- Parameters: sync_name, stream, scope_id, watermark (JSON), settings_hash, run_id.
-- Indexes: watermark_pkey.
INSERT INTO krayin_sync.watermark (sync_name, stream, scope_id, position, settings_hash, run_id)
VALUES (%(sync_name)s, %(stream)s, %(scope_id)s, %(watermark)s, %(settings_hash)s, %(run_id)s)
ON CONFLICT (sync_name, stream, scope_id) DO UPDATE
SET position = excluded.position, settings_hash = excluded.settings_hash, run_id = excluded.run_id,
    moved_at = clock_timestamp()


-- name: read
-- How far a stream of a sync has been read, with which settings.
-- Parameters: sync_name, stream, scope_id.
-- Indexes: watermark_pkey.
SELECT position, settings_hash
FROM krayin_sync.watermark
WHERE sync_name = %(sync_name)s AND stream = %(stream)s AND scope_id = %(scope_id)s


-- name: shown
-- Up to when each sync has read Chatwoot's contacts, and which Krayin it goes to.
-- Indexes: watermark_pkey.
SELECT DISTINCT ON (mark.sync_name) mark.sync_name, run.started_at AS read_at, target.base_url AS krayin
FROM krayin_sync.watermark AS mark
JOIN krayin_sync.sync_run AS run ON run.id = mark.run_id
JOIN krayin_sync.scope ON scope.id = mark.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
WHERE mark.stream = 'contacts'
ORDER BY mark.sync_name, mark.moved_at DESC


-- name: scope
-- Between which Krayin and which Chatwoot account a sync works, as its newest look at contacts noted it.
-- Parameters: sync_name.
-- Indexes: watermark_pkey.
SELECT scope.id AS scope_id, scope.target_id, scope.account_id
FROM krayin_sync.watermark
JOIN krayin_sync.scope ON scope.id = watermark.scope_id
WHERE watermark.sync_name = %(sync_name)s AND watermark.stream = 'contacts'
ORDER BY watermark.moved_at DESC
LIMIT 1
