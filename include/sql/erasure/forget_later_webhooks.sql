-- Purpose: empty what Chatwoot sent of erased contacts since, after it was acted upon.
-- Parameters: none.
-- Indexes: none: a scan of the webhooks kept, once a day.
UPDATE krayin_sync.inbox_event AS event
SET body = ''
WHERE event.body <> '' AND event.processed_at IS NOT NULL
  AND EXISTS (
      SELECT 1
      FROM krayin_sync.erasure, unnest(event.entities) AS entity
      WHERE erasure.lifted_at IS NULL AND starts_with(entity, 'contact:')
        AND erasure.contact_hash = krayin_sync.contact_hash(
            erasure.target_id, erasure.installation_id, erasure.account_id, substring(entity FROM 9))
        AND (event.sync_name = erasure.sync_name OR event.sync_name IN (
            SELECT sync_name FROM krayin_sync.watermark
            WHERE watermark.target_id = erasure.target_id AND watermark.installation_id = erasure.installation_id
              AND watermark.account_id = erasure.account_id))
  )
