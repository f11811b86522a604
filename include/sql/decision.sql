-- name: decide
-- Note what somebody decided about quarantined operations, and have it carried out: planned, or left out. What a newer
-- plan of the same record is to bring is left alone. A step that was never taken is noted as replayed: Krayin is then
-- asked before anything is created. Whom a contact is can be answered for persons that were not found, or several; which
-- lead is its own where several may be.
-- Parameters: sync_name, answer, decided_by, error_class (or NULL: any), operation_ids (bigint[], NULL: all but those
--             left out), crm_ids (bigint[]: of each the person, or lead, that it is; NULL where that is not the answer).
-- Indexes: operation_quarantine, operation_quarantined_record, operation_planned, operation_busy, decision_standing.
WITH meant AS (
    SELECT operation.id, operation.scope_id, operation.source_kind, operation.source_id, operation.contact_id,
           operation.error_class, operation.candidates, choice.crm_id
    FROM krayin_sync.operation AS operation
    LEFT JOIN unnest(%(operation_ids)s::bigint[], %(crm_ids)s::bigint[]) AS choice (operation_id, crm_id)
           ON choice.operation_id = operation.id
    WHERE operation.sync_name = %(sync_name)s AND operation.state = 'quarantined'
      AND (choice.operation_id IS NOT NULL
           OR (%(operation_ids)s::bigint[] IS NULL AND operation.error_class IS DISTINCT FROM 'left_out'))
      AND (%(error_class)s::text IS NULL OR operation.error_class = %(error_class)s)
      AND (%(answer)s::text = 'replay'
           OR operation.source_kind = 'contact'
              AND (operation.error_class IN ('ambiguous_person', 'person_taken', 'left_out')
                   OR operation.error_class = 'ambiguous_lead' AND %(answer)s::text <> 'leave_out')
              AND (%(answer)s::text <> 'this' OR choice.crm_id IS NOT NULL))
      AND NOT EXISTS (
          SELECT 1
          FROM krayin_sync.operation AS newer
          WHERE newer.scope_id = operation.scope_id AND newer.source_kind = operation.source_kind
            AND newer.source_id = operation.source_id AND newer.id <> operation.id
            AND (newer.state IN ('planned', 'held', 'in_flight', 'unknown')
                 OR (newer.state = 'quarantined' AND newer.id > operation.id))
      )
    FOR UPDATE OF operation
),
noted AS (
    INSERT INTO krayin_sync.decision
        (sync_name, scope_id, answer, contact_id, operation_id, reason, candidates, crm_id, decided_by)
    SELECT %(sync_name)s, scope_id, %(answer)s, CASE WHEN source_kind IN ('contact', 'stage') THEN split_part(source_id, '/', 1)::bigint ELSE contact_id END,
           id, error_class, candidates, crm_id, %(decided_by)s
    FROM meant
    ORDER BY id
),
replaced AS (
    UPDATE krayin_sync.decision
    SET ended_at = clock_timestamp(), ended_by = %(decided_by)s
    FROM meant
    WHERE decision.scope_id = meant.scope_id
      AND decision.contact_id = CASE WHEN meant.source_kind = 'contact' THEN meant.source_id::bigint END
      AND decision.ended_at IS NULL AND decision.answer IN ('this', 'new', 'leave_out')
      AND (decision.reason IS NOT DISTINCT FROM 'ambiguous_lead') = (meant.error_class = 'ambiguous_lead')
)
UPDATE krayin_sync.operation AS operation
SET state = CASE WHEN %(answer)s = 'leave_out' THEN 'quarantined' ELSE 'planned' END,
    error_class = CASE WHEN %(answer)s = 'leave_out' THEN 'left_out' END,
    error_message = NULL, candidates = NULL,
    step = coalesce(operation.step, 'replayed'), attempts = 0, next_attempt_at = clock_timestamp(),
    finished_at = CASE WHEN %(answer)s = 'leave_out' THEN operation.finished_at END,
    payload = CASE %(answer)s::text || CASE WHEN meant.error_class = 'ambiguous_lead' THEN ' lead' ELSE '' END
        WHEN 'this lead' THEN operation.payload - 'not_leads'
            || jsonb_build_object('adopt', (operation.payload -> 'adopt') || jsonb_build_object('lead', meant.crm_id))
        WHEN 'new lead' THEN operation.payload
            || jsonb_build_object('not_leads', jsonb_path_query_array(meant.candidates, '$[*].lead'))
        WHEN 'this' THEN operation.payload - 'apart' || jsonb_build_object('adopt', jsonb_build_object('person', meant.crm_id))
        WHEN 'new' THEN operation.payload || '{"adopt": {}, "apart": true}' ELSE operation.payload END
FROM meant
WHERE operation.id = meant.id
RETURNING operation.id, operation.source_kind, operation.source_id


-- name: erase
-- Forget what was decided about a contact.
-- Parameters: scope_id, contact_id (text).
-- Indexes: decision_of_contact.
DELETE FROM krayin_sync.decision WHERE scope_id = %(scope_id)s AND contact_id = %(contact_id)s::text::bigint


-- name: expire
-- Delete some decisions that were taken long ago and hold for nothing to come; their ids come back.
-- Parameters: after (id, NULL at first), age (interval), size.
-- Indexes: decision_pkey.
DELETE FROM krayin_sync.decision
WHERE id IN (
    SELECT id FROM krayin_sync.decision
    WHERE id > coalesce(%(after)s::bigint, 0) AND decided_at < clock_timestamp() - %(age)s
      AND (ended_at IS NOT NULL OR answer IN ('replay', 'accept'))
    ORDER BY id LIMIT %(size)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id


-- name: standing
-- Which person and lead some contacts are, where somebody decided that; `others` are the leads that were to choose from.
-- Parameters: scope_id, contact_ids (bigint[]).
-- Indexes: decision_standing.
SELECT contact_id, CASE WHEN reason = 'ambiguous_lead' THEN 'lead' ELSE 'person' END AS crm_kind, answer, crm_id,
       jsonb_path_query_array(candidates, '$[*].lead') AS others
FROM krayin_sync.decision
WHERE scope_id = %(scope_id)s AND contact_id = ANY(%(contact_ids)s) AND ended_at IS NULL
  AND answer IN ('this', 'new', 'leave_out')


-- name: undo
-- Take decisions back that were not carried out yet, and those to leave somebody out: the same question is asked again.
-- Parameters: sync_name, ids (bigint[]), ended_by.
-- Indexes: decision_pkey, operation_planned, operation_quarantined_record, finding_pkey.
WITH meant AS (
    SELECT decision.id, decision.reason, decision.candidates, decision.finding_id, operation.id AS operation_id
    FROM krayin_sync.decision
    LEFT JOIN krayin_sync.operation AS decided ON decided.id = decision.operation_id
    -- A plan that took the place of the one that was asked about.
    LEFT JOIN krayin_sync.operation
           ON operation.scope_id = decided.scope_id AND operation.source_kind = decided.source_kind
          AND operation.source_id = decided.source_id AND operation.worker IS NULL
          AND (operation.state IN ('planned', 'held') AND (operation.sent_at IS NULL OR operation.sent_at < decision.decided_at)
               OR operation.state = 'quarantined' AND operation.error_class = 'left_out')
    WHERE decision.sync_name = %(sync_name)s AND decision.id = ANY(%(ids)s) AND decision.ended_at IS NULL
      AND (operation.id IS NOT NULL OR decision.finding_id IS NOT NULL)
    FOR UPDATE OF decision
),
reopened AS (
    UPDATE krayin_sync.finding SET state = 'reported'
    FROM meant
    WHERE finding.id = meant.finding_id AND finding.state = 'accepted'
),
asked AS (
    UPDATE krayin_sync.operation AS operation
    SET state = 'quarantined', error_class = meant.reason, candidates = meant.candidates,
        finished_at = clock_timestamp(), approval_id = NULL, fence = nextval('krayin_sync.operation_fence'),
        payload = CASE WHEN operation.source_kind = 'contact' THEN operation.payload - 'apart' - 'not_leads' || '{"adopt": {}}'
                       ELSE operation.payload END
    FROM meant
    WHERE operation.id = meant.operation_id
)
UPDATE krayin_sync.decision
SET ended_at = clock_timestamp(), ended_by = %(ended_by)s
FROM meant
WHERE decision.id = meant.id
RETURNING decision.id


-- name: page
-- What people decided, the newest first: one page of a sync. `state` is waiting (not carried out yet), standing (left
-- out, accepted), asked_again (tried in vain), done, or undone.
-- Parameters: sync_name, contact_id (or NULL: any), before (id or NULL), size.
-- Indexes: decision_latest, decision_of_contact, operation_pkey, finding_pkey.
SELECT decision.id, decision.answer, decision.contact_id, decision.operation_id, decision.reason, decision.crm_id,
       decision.decided_at, decision.decided_by, decision.ended_at, decision.ended_by,
       finding.crm_kind, finding.field, finding.class,
       krayin_sync.krayin_page(target.base_url, CASE WHEN decision.reason = 'ambiguous_lead' THEN 'lead' ELSE 'person' END,
                               decision.crm_id) AS page,
       CASE WHEN decision.ended_at IS NOT NULL THEN 'undone'
            WHEN decision.answer = 'leave_out' OR finding.state = 'accepted' THEN 'standing'
            WHEN operation.state = 'planned' AND (operation.sent_at IS NULL OR operation.sent_at < decision.decided_at)
            THEN 'waiting' WHEN operation.state = 'quarantined' THEN 'asked_again' ELSE 'done' END AS state,
       operation.state AS operation_state
FROM krayin_sync.decision
JOIN krayin_sync.scope ON scope.id = decision.scope_id
JOIN krayin_sync.krayin_target AS target ON target.id = scope.target_id
LEFT JOIN krayin_sync.operation ON operation.id = decision.operation_id
LEFT JOIN krayin_sync.finding ON finding.id = decision.finding_id
WHERE decision.sync_name = %(sync_name)s
  AND (%(contact_id)s::bigint IS NULL OR decision.contact_id = %(contact_id)s)
  AND (%(before)s::bigint IS NULL OR decision.id < %(before)s)
ORDER BY decision.id DESC
LIMIT %(size)s
