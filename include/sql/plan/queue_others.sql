-- Purpose: of what a sync has planned, what costs in a way of its own: the deletions of persons, and the organizations
--          asked for by name because nobody knows them yet.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT count(*) FILTER (WHERE 'person.deleted' = ANY(removes)) AS deletions,
       count(DISTINCT payload ->> 'organization') FILTER (
           WHERE 'company' = ANY(forecast_reads)
             AND NOT EXISTS (
                 SELECT FROM krayin_sync.mapping
                 WHERE mapping.target_id = operation.target_id AND mapping.installation_id = operation.installation_id
                   AND mapping.account_id = operation.account_id AND mapping.source_kind = 'company'
                   AND mapping.source_id = operation.payload ->> 'organization' AND mapping.crm_kind = 'organization'
                   AND mapping.crm_id IS NOT NULL)
       ) AS companies
FROM krayin_sync.operation
WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned' AND lane <= %(lowest_lane)s
