-- Purpose: empty the webhooks that tell of a contact, or in which one of its values stands.
-- Parameters: sync_names (text[]), entity (contact:id), values (bytea[]).
-- Indexes: none: a scan, erasures are rare.
UPDATE krayin_sync.inbox_event
SET body = ''
WHERE sync_name = ANY(%(sync_names)s) AND body <> ''
  AND (%(entity)s = ANY(entities)
       OR EXISTS (SELECT 1 FROM unnest(%(values)s::bytea[]) AS value WHERE position(value IN body) > 0))
