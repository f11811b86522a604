-- Purpose: what a sync has planned, in the order in which a worker takes it; neighbours that are expected to cost the
--          same come as one row with their number. What waits for a contact or an organization comes last, contact by
--          contact, and only if an operation is planned that makes it known.
-- Parameters: target_id, sync_name, lowest_lane.
-- Indexes: operation_queue, operation_planned, organization_member_by_name.
WITH due AS (
    SELECT forecast_calls, forecast_reads, lane, next_attempt_at, NULL AS contact_id, id
    FROM krayin_sync.operation
    WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
      AND lane <= %(lowest_lane)s AND next_attempt_at < 'infinity'
    UNION ALL
    SELECT forecast_calls, forecast_reads, lane, next_attempt_at, contact_id, id
    FROM krayin_sync.operation AS waiting
    WHERE target_id = %(target_id)s AND sync_name = %(sync_name)s AND state = 'planned'
      AND lane <= %(lowest_lane)s AND next_attempt_at = 'infinity'
      AND EXISTS (
          SELECT FROM unnest(
              CASE WHEN contact_id IS NOT NULL THEN ARRAY[contact_id::text] ELSE ARRAY(
                  SELECT member.contact_id::text
                  FROM krayin_sync.organization_member AS member
                  WHERE member.target_id = waiting.target_id AND member.installation_id = waiting.installation_id
                    AND member.account_id = waiting.account_id AND member.folded_name = waiting.source_id
              ) END) AS waited_for (source_id)
          JOIN krayin_sync.operation AS contact USING (source_id)
          WHERE contact.target_id = waiting.target_id AND contact.installation_id = waiting.installation_id
            AND contact.account_id = waiting.account_id AND contact.source_kind = 'contact'
            AND contact.state = 'planned' AND contact.next_attempt_at < 'infinity'
      )
),
compared AS (
    SELECT *,
           forecast_calls IS DISTINCT FROM lag(forecast_calls) OVER ordered
           OR forecast_reads IS DISTINCT FROM lag(forecast_reads) OVER ordered AS differs
    FROM due
    WINDOW ordered AS (ORDER BY lane, next_attempt_at, contact_id, id)
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE differs) OVER (ORDER BY lane, next_attempt_at, contact_id, id) AS place
    FROM compared
)
SELECT min(forecast_calls) AS forecast_calls, min(forecast_reads) AS forecast_reads, count(*) AS number
FROM numbered
GROUP BY place
ORDER BY place
