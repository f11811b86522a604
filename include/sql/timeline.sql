-- name: of_contact
-- What happened to a contact, the newest first: webhooks that named it, plans with what became of them, calls of these,
-- what differed, and what people decided. Ids, states and times only.
-- Parameters: sync_name, scope_id, contact_id (bigint), size.
-- Indexes: operation_of_record, operation_of_contact, api_call_of_operation, inbox_event_of_entity, finding_of_contact,
--          decision_of_contact.
WITH planned AS MATERIALIZED (
    (SELECT id, source_kind, source_id, state, error_class, result, created_at, finished_at
     FROM krayin_sync.operation
     WHERE scope_id = %(scope_id)s AND source_kind IN ('contact', 'stage') AND source_id = %(contact_id)s::bigint::text
     ORDER BY id DESC LIMIT %(size)s)
    UNION
    (SELECT id, source_kind, source_id, state, error_class, result, created_at, finished_at
     FROM krayin_sync.operation
     WHERE scope_id = %(scope_id)s AND contact_id = %(contact_id)s::bigint
     ORDER BY id DESC LIMIT %(size)s)
), told AS MATERIALIZED (
    -- By itself, so that its index is used: few webhooks name a contact, and in order one would read them all.
    SELECT id, received_at, event, run_id, processed_at
    FROM krayin_sync.inbox_event
    WHERE sync_name = %(sync_name)s AND entities @> ARRAY['contact:' || %(contact_id)s::bigint::text]
)
SELECT at, what, facts
FROM (
    SELECT created_at AS at, 'operation' AS what, to_jsonb(planned) - 'created_at' AS facts FROM planned
    UNION ALL
    (SELECT call.at, 'call', jsonb_build_object('operation', call.operation_id, 'method', call.method, 'route', call.route,
                                                'status', call.status, 'outcome', call.outcome,
                                                'milliseconds', call.milliseconds)
     FROM krayin_sync.api_call AS call
     WHERE call.operation_id IN (SELECT id FROM planned)
     ORDER BY call.id DESC LIMIT %(size)s)
    UNION ALL
    (SELECT received_at, 'webhook', jsonb_build_object('event', event, 'run', run_id, 'is_read', processed_at IS NOT NULL)
     FROM told
     ORDER BY id DESC LIMIT %(size)s)
    UNION ALL
    (SELECT first_seen, 'finding', jsonb_build_object('class', class, 'crm_kind', crm_kind, 'field', field, 'state', state,
                                                      'ended_at', ended_at)
     FROM krayin_sync.finding
     WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s AND contact_id = %(contact_id)s
     ORDER BY id DESC LIMIT %(size)s)
    UNION ALL
    (SELECT decided_at, 'decision', jsonb_build_object('answer', answer, 'crm_id', crm_id, 'reason', reason,
                                                       'decided_by', decided_by, 'ended_by', ended_by)
     FROM krayin_sync.decision
     WHERE sync_name = %(sync_name)s AND scope_id = %(scope_id)s AND contact_id = %(contact_id)s
     ORDER BY id DESC LIMIT %(size)s)
) AS happened
ORDER BY at DESC
LIMIT %(size)s
