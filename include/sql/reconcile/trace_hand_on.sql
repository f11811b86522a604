-- Purpose: the conversation and contact inbox by which a merged contact was traced are its survivor's.
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
