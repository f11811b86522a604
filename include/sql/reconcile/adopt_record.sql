-- Purpose: the record of a merged contact, with its former ones, becomes that of the contact it was merged into, which has none of its kind
--          linked; the survivor's row must be there.
-- Parameters: loser, survivor (ids of mapping rows of one CRM kind).
-- Indexes: mapping_pkey.
WITH given AS (
    SELECT crm_id, origin, last_sent, pending_write, former_crm_ids, former_adopted_ids FROM krayin_sync.mapping WHERE id = %(loser)s
), left_behind AS (
    UPDATE krayin_sync.mapping
    SET crm_id = NULL, acked_hash = NULL, last_sent = NULL, pending_write = NULL, former_crm_ids = '{}',
        former_adopted_ids = '{}', settled_at = clock_timestamp()
    WHERE id = %(loser)s
)
UPDATE krayin_sync.mapping AS survivor
SET crm_id = given.crm_id, origin = given.origin, last_sent = given.last_sent, pending_write = given.pending_write,
    former_crm_ids = survivor.former_crm_ids || given.former_crm_ids,
    former_adopted_ids = survivor.former_adopted_ids || given.former_adopted_ids,
    state = 'linked', source_hash = ''::bytea, acked_hash = NULL
FROM given
WHERE survivor.id = %(survivor)s
