-- Purpose: the companies whose organization is asked for by name in carrying out what a sync has planned, unless it is
--          known by then; and whether it is known now.
-- Parameters: target_id, installation_id, account_id, sync_name, lowest_lane.
-- Indexes: operation_queue, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT asked.name,
       EXISTS (
           SELECT 1
           FROM krayin_sync.mapping
           WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
             AND source_kind = 'company' AND source_id = asked.name AND crm_kind = 'organization'
             AND crm_id IS NOT NULL
       ) AS known
FROM (
    SELECT DISTINCT forecast_company AS name
    FROM krayin_sync.operation
    WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned' AND lane <= %(lowest_lane)s
      AND 'company' = ANY(forecast_reads) AND forecast_company IS NOT NULL
) AS asked
