-- name: installations
-- The Chatwoot installations from which a sync brought an account over to a Krayin so far, or which a person
-- confirmed to be the one.
-- Parameters: sync_name, target_id, account_id.
-- Indexes: scope_of_account, watermark_pkey, source_baseline_pkey, chatwoot_installation_pkey.
SELECT installation.identity
FROM krayin_sync.scope
JOIN krayin_sync.chatwoot_installation AS installation ON installation.id = scope.installation_id
WHERE scope.target_id = %(target_id)s AND scope.account_id = %(account_id)s
  AND scope.id IN (
      SELECT scope_id FROM krayin_sync.watermark WHERE sync_name = %(sync_name)s AND stream = 'contacts'
      UNION ALL
      SELECT scope_id FROM krayin_sync.source_baseline WHERE sync_name = %(sync_name)s
  )
ORDER BY installation.id


-- name: moment_write
-- Note how new the newest reading of a sync's Chatwoot was, and the contacts changed last, where it was of the
-- history known.
-- Parameters: sync_name, scope_id, lineage, moment (JSON).
-- Indexes: source_baseline_pkey.
UPDATE krayin_sync.source_baseline
SET document = document || %(moment)s
WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s
  AND document ->> 'lineage' = %(lineage)s


-- name: read
-- What a sync knows of its Chatwoot from the last look that was whole.
-- Parameters: sync_name, scope_id.
-- Indexes: source_baseline_pkey.
SELECT document
FROM krayin_sync.source_baseline
WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s


-- name: write
-- Note what a whole look showed, or what a person confirmed.
-- Parameters: sync_name, scope_id, document (JSON).
-- Indexes: source_baseline_pkey.
INSERT INTO krayin_sync.source_baseline (sync_name, scope_id, document)
VALUES (%(sync_name)s, %(scope_id)s, %(document)s)
ON CONFLICT (sync_name, scope_id) DO UPDATE
SET document = excluded.document, noted_at = clock_timestamp()
