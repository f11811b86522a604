-- Purpose: keep accepted webhooks and wake the runs of their syncs; rows come back for those that are no repetition.
-- Parameters: arrays of one length: sync_names, delivery_ids (uuid, may be NULL), events, entities (texts of names with
--             blanks between them), signed, content_hashes, bodies.
-- Indexes: inbox_event_delivery, inbox_event_waiting.
WITH kept AS (
    INSERT INTO krayin_sync.inbox_event (sync_name, delivery_id, event, entities, signed, content_hash, body)
    SELECT sync_name, delivery_id, event, string_to_array(entities, ' '), signed, content_hash, body
    FROM unnest(
        %(sync_names)s::text[], %(delivery_ids)s::uuid[], %(events)s::text[], %(entities)s::text[],
        %(signed)s::boolean[], %(content_hashes)b::bytea[], %(bodies)b::bytea[]
    ) AS event (sync_name, delivery_id, event, entities, signed, content_hash, body)
    ON CONFLICT DO NOTHING
    RETURNING sync_name, content_hash, delivery_id
), woken AS (
    -- One transaction with the rows: no death of a process comes between. A hint only, it may get lost.
    SELECT count(pg_notify('krayin_sync_inbox', sync_name)) FROM (SELECT DISTINCT sync_name FROM kept) AS syncs
)
SELECT kept.sync_name, kept.content_hash, kept.delivery_id FROM kept, woken
