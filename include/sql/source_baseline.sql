-- name: installations
-- The Chatwoot installations from which a sync brought an account over to a Krayin so far, or which a person
-- confirmed to be the one.
-- Parameters: sync_name, target_id, account_id.
-- Indexes: watermark_pkey, source_baseline_pkey, chatwoot_installation_pkey.
SELECT installation.identity
FROM krayin_sync.chatwoot_installation AS installation
WHERE installation.id IN (
    SELECT installation_id FROM krayin_sync.watermark
    WHERE sync_name = %(sync_name)s AND stream = 'contacts'
      AND target_id = %(target_id)s AND account_id = %(account_id)s
    UNION ALL
    SELECT installation_id FROM krayin_sync.source_baseline
    WHERE sync_name = %(sync_name)s AND target_id = %(target_id)s AND account_id = %(account_id)s
)
ORDER BY installation.id


-- name: moment_write
-- Note how new the newest reading of a sync's Chatwoot was, and the contacts changed last, where it was of the
-- history known.
-- Parameters: sync_name, target_id, installation_id, account_id, lineage, moment (JSON).
-- Indexes: source_baseline_pkey.
UPDATE krayin_sync.source_baseline
SET document = document || %(moment)s
WHERE sync_name = %(sync_name)s AND target_id = %(target_id)s
  AND installation_id = %(installation_id)s AND account_id = %(account_id)s
  AND document ->> 'lineage' = %(lineage)s


-- name: read
-- What a sync knows of its Chatwoot from the last look that was whole.
-- Parameters: sync_name, target_id, installation_id, account_id.
-- Indexes: source_baseline_pkey.
SELECT document
FROM krayin_sync.source_baseline
WHERE sync_name = %(sync_name)s AND target_id = %(target_id)s
  AND installation_id = %(installation_id)s AND account_id = %(account_id)s


-- name: write
-- Note what a whole look showed, or what a person confirmed.
-- Parameters: sync_name, target_id, installation_id, account_id, document (JSON).
-- Indexes: source_baseline_pkey.
INSERT INTO krayin_sync.source_baseline (sync_name, target_id, installation_id, account_id, document)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s, %(document)s)
ON CONFLICT (sync_name, target_id, installation_id, account_id) DO UPDATE
SET document = excluded.document, noted_at = clock_timestamp()
