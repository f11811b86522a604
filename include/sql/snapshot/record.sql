-- Purpose: keep what Krayin showed of some records.
-- Parameters: target_id, crm_kind, crm_ids (bigint[]), updated_ats (timestamptz[]), hashes (bytea[]), facts (jsonb[]).
-- Indexes: crm_snapshot_pkey.
INSERT INTO krayin_sync.crm_snapshot (target_id, crm_kind, crm_id, updated_at, hash, facts, seen_at)
SELECT %(target_id)s, %(crm_kind)s, crm_id, updated_at, hash, facts, clock_timestamp()
FROM unnest(%(crm_ids)s::bigint[], %(updated_ats)s::timestamptz[], %(hashes)s::bytea[], %(facts)s::jsonb[])
     AS seen (crm_id, updated_at, hash, facts)
ORDER BY crm_id
ON CONFLICT (target_id, crm_kind, crm_id) DO UPDATE
SET updated_at = excluded.updated_at, hash = excluded.hash, facts = excluded.facts, seen_at = excluded.seen_at
