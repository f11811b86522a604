-- Purpose: take the next operations of a sync for one worker: the highest lane first, none whose source record,
--          e-mail, phone or new organization another worker holds or whose last call is unresolved. A contact and its
--          stage are one record: both write the lead. Of several unresolved ones that share something the oldest
--          goes first, so that they never wait for each other.
-- Parameters: target_id, sync_name, lowest_lane, worker, lease (interval), size.
-- Indexes: operation_queue, operation_busy, operation_pkey.
WITH busy AS MATERIALIZED (
    SELECT id, installation_id, account_id, source_id, natural_keys,
           CASE source_kind WHEN 'stage' THEN 'contact' ELSE source_kind END AS record_kind,
           worker IS NULL AND state = 'unknown' AS unresolved
    FROM krayin_sync.operation
    WHERE target_id = %(target_id)s AND (worker IS NOT NULL OR state IN ('in_flight', 'unknown'))
), taken AS (
    SELECT waiting.id
    FROM krayin_sync.operation AS waiting
    WHERE waiting.target_id = %(target_id)s AND waiting.sync_name = %(sync_name)s
      AND waiting.lane <= %(lowest_lane)s
      AND waiting.state IN ('planned', 'unknown') AND waiting.worker IS NULL
      AND waiting.next_attempt_at <= clock_timestamp()
      AND NOT EXISTS (
          SELECT 1 FROM busy
          WHERE busy.id <> waiting.id
            AND NOT (busy.unresolved AND waiting.state = 'unknown' AND busy.id > waiting.id)
            AND ((busy.record_kind = CASE waiting.source_kind WHEN 'stage' THEN 'contact' ELSE waiting.source_kind END
                  AND busy.source_id = waiting.source_id
                  AND busy.installation_id = waiting.installation_id AND busy.account_id = waiting.account_id)
                 OR busy.natural_keys && waiting.natural_keys)
      )
    ORDER BY waiting.lane, waiting.next_attempt_at, waiting.id
    LIMIT %(size)s
)
UPDATE krayin_sync.operation AS operation
SET worker = %(worker)s, lease_until = clock_timestamp() + %(lease)s,
    fence = nextval('krayin_sync.operation_fence')
FROM taken
-- Asked again: a planner may have replaced the row since it was looked at.
WHERE operation.id = taken.id AND operation.state IN ('planned', 'unknown') AND operation.worker IS NULL
RETURNING operation.id, operation.fence, operation.lane, operation.installation_id, operation.account_id,
          operation.source_kind, operation.source_id, operation.payload, operation.natural_keys, operation.state,
          operation.step, operation.attempts, operation.sent_at, operation.error_class, operation.error_message,
          operation.next_attempt_at, operation.forecast_calls, operation.forecast_reads
