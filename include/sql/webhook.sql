-- name: claim
-- Take the events that are not planned yet, oldest first; also those of a run that died before planning.
-- Parameters: sync_name, size.
-- Indexes: inbox_event_open, inbox_event_pkey.
UPDATE krayin_sync.inbox_event AS event
SET claimed_at = clock_timestamp()
FROM (
    SELECT id FROM krayin_sync.inbox_event
    WHERE sync_name = %(sync_name)s AND processed_at IS NULL
    ORDER BY id
    LIMIT %(size)s
    FOR UPDATE
) AS open
WHERE event.id = open.id
RETURNING event.id, event.entities, event.received_at


-- name: counts
-- Webhooks that wait for a run.
-- Indexes: inbox_event_open.
SELECT sync_name, count(*) AS events, min(received_at) AS oldest
FROM krayin_sync.inbox_event
WHERE processed_at IS NULL
GROUP BY sync_name


-- name: erase
-- Empty the webhooks that tell of a contact, or in which one of its values stands.
-- Parameters: sync_names (text[]), entity (contact:id), values (bytea[]).
-- Indexes: none: a scan, erasures are rare.
UPDATE krayin_sync.inbox_event
SET body = ''
WHERE sync_name = ANY(%(sync_names)s) AND body <> ''
  AND (%(entity)s = ANY(entities)
       OR EXISTS (SELECT 1 FROM unnest(%(values)s::bytea[]) AS value WHERE position(value IN body) > 0))


-- name: erase_later
-- Empty what Chatwoot sent of erased contacts since, after it was acted upon.
-- Indexes: none: a scan of the webhooks kept, once a day.
UPDATE krayin_sync.inbox_event AS event
SET body = ''
WHERE event.body <> '' AND event.processed_at IS NOT NULL
  AND EXISTS (
      SELECT 1
      FROM krayin_sync.erasure
      JOIN krayin_sync.scope ON scope.id = erasure.scope_id
      CROSS JOIN unnest(event.entities) AS entity
      WHERE erasure.lifted_at IS NULL AND starts_with(entity, 'contact:')
        AND erasure.contact_hash = krayin_sync.contact_hash(scope, substring(entity FROM 9))
        AND (event.sync_name = erasure.sync_name OR event.sync_name IN (
            SELECT sync_name FROM krayin_sync.watermark WHERE watermark.scope_id = scope.id))
  )


-- name: expire
-- Delete some webhooks whose entities were read and planned long ago; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: inbox_event_pkey.
DELETE FROM krayin_sync.inbox_event
WHERE id IN (
    SELECT id FROM krayin_sync.inbox_event
    WHERE id > coalesce(%(after)s::bigint, 0) AND processed_at < clock_timestamp() - %(age)s
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id


-- name: listen
-- Hear of waiting events.
LISTEN krayin_sync_inbox


-- name: listened
-- A run listens no more: whoever starts runs looks for what came at the last moment.
-- Parameters: sync_name.
-- Indexes: inbox_listener_pkey.
WITH ended AS (DELETE FROM krayin_sync.inbox_listener WHERE sync_name = %(sync_name)s)
SELECT pg_notify('krayin_sync_inbox', %(sync_name)s)


-- name: listening
-- A run takes what comes for some time from now on, so that no other is started for it.
-- Parameters: sync_name, seconds.
-- Indexes: inbox_listener_pkey.
INSERT INTO krayin_sync.inbox_listener (sync_name, until)
VALUES (%(sync_name)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (sync_name) DO UPDATE SET until = excluded.until


-- name: processed
-- Note that the entities of these events are planned; part of the transaction that plans them.
-- Parameters: ids (bigint[]), run_id (or NULL).
-- Indexes: inbox_event_pkey.
UPDATE krayin_sync.inbox_event
SET processed_at = clock_timestamp(), run_id = %(run_id)s
WHERE id = ANY(%(ids)s)


-- name: registration_read
-- Find the webhook registered for a sync.
-- Parameters: sync_name.
-- Indexes: webhook_pkey.
SELECT url, chatwoot_id, secret FROM krayin_sync.webhook WHERE sync_name = %(sync_name)s


-- name: registration_write
-- Keep the webhook registered for a sync.
-- Parameters: sync_name, url, chatwoot_id, secret (encrypted, or NULL when Chatwoot gave none).
-- Indexes: webhook_pkey.
INSERT INTO krayin_sync.webhook (sync_name, url, chatwoot_id, secret)
VALUES (%(sync_name)s, %(url)s, %(chatwoot_id)s, %(secret)s)
ON CONFLICT (sync_name) DO UPDATE
SET url = excluded.url, chatwoot_id = excluded.chatwoot_id, secret = excluded.secret,
    registered_at = clock_timestamp()


-- name: store
-- Keep accepted webhooks and wake the runs of their syncs; rows come back for those that are no repetition.
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


-- name: waiting
-- Tell whether a run is needed, when a run last took events, and whether one listens for them. Needed it is for
-- events, and when a worker died whose lease has ended by now; of the latter only for some minutes, since the runs
-- of a sync that is switched off leave its work alone.
-- Parameters: sync_name, lane.
-- Indexes: inbox_event_waiting, inbox_event_claimed, inbox_listener_pkey, operation_busy.
SELECT EXISTS (
           SELECT 1 FROM krayin_sync.inbox_event WHERE sync_name = %(sync_name)s AND claimed_at IS NULL
       )
       OR EXISTS (
           SELECT 1 FROM krayin_sync.operation
           WHERE sync_name = %(sync_name)s AND lane = %(lane)s AND worker IS NOT NULL
             AND lease_until < clock_timestamp() AND lease_until > clock_timestamp() - interval '10 minutes'
       ) AS waiting,
       (SELECT max(claimed_at) FROM krayin_sync.inbox_event
        WHERE sync_name = %(sync_name)s AND claimed_at IS NOT NULL) AS last_claim,
       EXISTS (
           SELECT 1 FROM krayin_sync.inbox_listener WHERE sync_name = %(sync_name)s AND until > clock_timestamp()
       ) AS is_listening
