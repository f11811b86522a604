-- Purpose: keep an accepted webhook; no row comes back when it is a repetition.
-- Parameters: sync_name, delivery_id (uuid or NULL), event, entities (text[]), signed, content_hash, body.
-- Indexes: inbox_event_delivery, inbox_event_waiting.
INSERT INTO krayin_sync.inbox_event (sync_name, delivery_id, event, entities, signed, content_hash, body)
VALUES (%(sync_name)s, %(delivery_id)s, %(event)s, %(entities)s, %(signed)s, %(content_hash)s, %(body)s)
ON CONFLICT DO NOTHING
RETURNING id
