-- name: erase
-- Forget which conversations and addresses an erased contact had, by which a merge would be recognised.
-- Parameters: scope_id, contact_id (text).
-- Indexes: contact_trace_pkey.
DELETE FROM krayin_sync.merge_evidence AS evidence
USING krayin_sync.scope
WHERE scope.id = %(scope_id)s AND evidence.installation_id = scope.installation_id
  AND evidence.account_id = scope.account_id AND evidence.contact_id = %(contact_id)s::text::bigint


-- name: mark
-- Up to which conversation and contact inbox it is noted whose they are.
-- Parameters: installation_id, account_id.
-- Indexes: contact_trace_conversation, contact_trace_contact_inbox.
SELECT coalesce((SELECT max(conversation_id) FROM krayin_sync.merge_evidence
                 WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s), 0),
       coalesce((SELECT max(contact_inbox_id) FROM krayin_sync.merge_evidence
                 WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s), 0)


-- name: read
-- By what it is told where contacts went that are gone in Chatwoot.
-- Parameters: installation_id, account_id, contact_ids (bigint[]).
-- Indexes: contact_trace_pkey.
SELECT contact_id, conversation_id, contact_inbox_id
FROM krayin_sync.merge_evidence
WHERE installation_id = %(installation_id)s AND account_id = %(account_id)s AND contact_id = ANY(%(contact_ids)s)


-- name: transfer
-- The conversation and contact inbox by which a merged contact was traced are its survivor's.
-- Parameters: installation_id, account_id, losers, survivors (bigint[] of one length).
-- Indexes: contact_trace_pkey.
INSERT INTO krayin_sync.merge_evidence (installation_id, account_id, contact_id, conversation_id, contact_inbox_id)
SELECT trace.installation_id, trace.account_id, merged.survivor, max(trace.conversation_id), max(trace.contact_inbox_id)
FROM unnest(%(losers)s::bigint[], %(survivors)s::bigint[]) AS merged (loser, survivor)
JOIN krayin_sync.merge_evidence AS trace
  ON trace.installation_id = %(installation_id)s AND trace.account_id = %(account_id)s
 AND trace.contact_id = merged.loser
GROUP BY trace.installation_id, trace.account_id, merged.survivor
ORDER BY merged.survivor
ON CONFLICT (installation_id, account_id, contact_id) DO UPDATE
SET conversation_id = greatest(merge_evidence.conversation_id, excluded.conversation_id),
    contact_inbox_id = greatest(merge_evidence.contact_inbox_id, excluded.contact_inbox_id)


-- name: write
-- Note the latest conversation and contact inbox of contacts.
-- Parameters: installation_id, account_id, contact_ids, conversation_ids, contact_inbox_ids (bigint[], NULL for none).
-- Indexes: contact_trace_pkey.
INSERT INTO krayin_sync.merge_evidence (installation_id, account_id, contact_id, conversation_id, contact_inbox_id)
SELECT %(installation_id)s, %(account_id)s, contact_id, conversation_id, contact_inbox_id
FROM unnest(%(contact_ids)s::bigint[], %(conversation_ids)s::bigint[], %(contact_inbox_ids)s::bigint[])
     AS seen (contact_id, conversation_id, contact_inbox_id)
ORDER BY contact_id
ON CONFLICT (installation_id, account_id, contact_id) DO UPDATE
SET conversation_id = greatest(merge_evidence.conversation_id, excluded.conversation_id),
    contact_inbox_id = greatest(merge_evidence.contact_inbox_id, excluded.contact_inbox_id)
WHERE coalesce(merge_evidence.conversation_id, 0) < excluded.conversation_id
   OR coalesce(merge_evidence.contact_inbox_id, 0) < excluded.contact_inbox_id
