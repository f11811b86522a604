-- Purpose: Krayin persons and leads that two contacts call theirs, now or formerly.
-- Parameters: none.
-- Indexes: none: a scan.
SELECT count(*)
FROM (
    SELECT target_id, crm_kind, crm_id
    FROM (
        SELECT target_id, crm_kind, crm_id, installation_id, account_id, source_id
        FROM krayin_sync.mapping
        WHERE source_kind = 'contact' AND state = 'linked' AND crm_id IS NOT NULL
        UNION
        SELECT target_id, crm_kind, unnest(former_crm_ids), installation_id, account_id, source_id
        FROM krayin_sync.mapping WHERE former_crm_ids <> '{}'
    ) AS owned
    GROUP BY target_id, crm_kind, crm_id
    HAVING count(*) > 1
) AS shared
