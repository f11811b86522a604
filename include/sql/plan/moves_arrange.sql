-- Purpose: bring operations into an order, before all others; some give up their keys in a step of its own.
-- Parameters: ids (bigint[], first to last), release_first (bigint[]).
-- Indexes: operation_pkey.
UPDATE krayin_sync.operation AS operation
SET next_attempt_at = now() - interval '1 day' + wanted.place * interval '1 microsecond',
    payload = CASE WHEN operation.id = ANY(%(release_first)s::bigint[])
                   THEN operation.payload || '{"release_first": true}' ELSE operation.payload END,
    forecast_calls = operation.forecast_calls + (operation.id = ANY(%(release_first)s::bigint[]))::int
FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS wanted (id, place)
WHERE operation.id = wanted.id
