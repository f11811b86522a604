-- Purpose: let what webhooks brought up be carried out in the order in which they came. What moves between contacts
--          has an order of its own, a day before all others, and keeps it.
-- Parameters: run_id, ids (bigint[] of the events).
-- Indexes: inbox_event_pkey, operation_of_run.
UPDATE krayin_sync.operation AS operation
SET next_attempt_at = greatest(arrived.at, operation.next_attempt_at - interval '1 hour')
FROM (
    SELECT split_part(entity, ':', 2) AS contact_id, min(received_at) AS at
    FROM krayin_sync.inbox_event CROSS JOIN unnest(entities) AS entity
    WHERE id = ANY(%(ids)s) AND entity LIKE 'contact:%%'
    GROUP BY 1
) AS arrived
WHERE operation.run_id = %(run_id)s AND operation.state = 'planned'
  AND operation.source_kind IN ('contact', 'stage') AND operation.source_id = arrived.contact_id
  AND operation.next_attempt_at BETWEEN now() - interval '1 hour' AND clock_timestamp()
