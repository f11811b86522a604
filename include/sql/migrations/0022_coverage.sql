-- Purpose: a lead's stage is in Krayin where its lead is and what was planned last was accepted: no record of its own
--          is linked to it.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

CREATE OR REPLACE VIEW coverage AS
SELECT target.base_url AS krayin,
       known.account_id,
       known.source_kind,
       known.crm_kind,
       count(*) AS records,
       count(*) FILTER (WHERE known.state = 'linked') AS linked,
       count(*) FILTER (WHERE known.state = 'linked' AND known.origin = 'created') AS created,
       count(*) FILTER (WHERE known.state = 'linked' AND known.origin = 'adopted') AS adopted,
       count(*) FILTER (WHERE known.state = 'linked' AND known.acked_hash = known.source_hash) AS in_step,
       count(*) FILTER (WHERE known.state = 'pending') AS pending,
       count(*) FILTER (WHERE known.state = 'quarantined') AS quarantined,
       count(*) FILTER (WHERE known.state = 'gone') AS gone,
       count(*) FILTER (WHERE known.state = 'orphaned') AS orphaned,
       round(count(*) FILTER (WHERE known.state = 'linked')::numeric / count(*), 4) AS coverage
FROM (
    SELECT mapping.target_id, mapping.account_id, mapping.source_kind, mapping.crm_kind, mapping.source_hash,
           mapping.acked_hash,
           CASE WHEN lead.id IS NULL THEN mapping.origin ELSE lead.origin END AS origin,
           CASE WHEN lead.state <> 'linked' THEN lead.state
                WHEN lead.id IS NOT NULL AND mapping.state = 'pending' AND mapping.acked_hash IS NOT NULL THEN 'linked'
                ELSE mapping.state END AS state
    FROM mapping
    LEFT JOIN mapping AS lead
           ON mapping.source_kind = 'stage' AND lead.source_kind = 'contact' AND lead.crm_kind = 'lead'
          AND lead.target_id = mapping.target_id AND lead.installation_id = mapping.installation_id
          AND lead.account_id = mapping.account_id AND lead.source_id = mapping.source_id
) AS known
JOIN krayin_target AS target ON target.id = known.target_id
GROUP BY target.base_url, known.account_id, known.source_kind, known.crm_kind;
