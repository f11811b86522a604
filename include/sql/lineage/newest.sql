-- Purpose: the newest ids we know of a Krayin, by kind: of our records and of what it showed.
-- Parameters: target_id.
-- Indexes: mapping_one_source_per_record and crm_snapshot_pkey, each from its end.
SELECT kind.name,
       greatest(
           (SELECT crm_id FROM krayin_sync.mapping
            WHERE mapping.target_id = target.id AND crm_kind = kind.name AND crm_kind <> 'organization'
              AND state = 'linked' AND crm_id IS NOT NULL
              AND coalesce(acked_at, planned_at, mapping.created_at) > target.known_since
            ORDER BY crm_id DESC LIMIT 1),
           (SELECT crm_id FROM krayin_sync.crm_snapshot
            WHERE crm_snapshot.target_id = target.id AND crm_kind = kind.name AND seen_at > target.known_since
            ORDER BY crm_id DESC LIMIT 1),
           0)
FROM krayin_sync.krayin_target AS target, (VALUES ('person'), ('lead'), ('activity')) AS kind (name)
WHERE target.id = %(target_id)s
