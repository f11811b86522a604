-- Purpose: note how a condition stands; only a change is news. One that ended before anybody was told of it is none.
-- Parameters: sync_name, condition, raised (boolean), message, channels (text[]).
-- Indexes: alert_pkey.
INSERT INTO krayin_sync.alert AS alert (sync_name, condition, raised, message, told)
VALUES (%(sync_name)s, %(condition)s, %(raised)s, %(message)s,
        -- That all is well from the start is no news either.
        CASE WHEN %(raised)s THEN '{}' ELSE %(channels)s::text[] END)
ON CONFLICT (sync_name, condition) DO UPDATE
SET raised = excluded.raised, message = excluded.message,
    since = CASE WHEN alert.raised = excluded.raised THEN alert.since ELSE clock_timestamp() END,
    told = CASE
        WHEN alert.raised = excluded.raised THEN alert.told
        WHEN excluded.raised THEN '{}'
        -- The end is told where the beginning was.
        ELSE ARRAY(SELECT unnest(%(channels)s::text[]) EXCEPT SELECT unnest(alert.told))
    END
