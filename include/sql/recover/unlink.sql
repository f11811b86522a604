-- Purpose: take from bindings the records that are not theirs; what is to be made again is planned anew.
-- Parameters: recovery_id.
-- Indexes: recovery_item_pkey, mapping_pkey.
UPDATE krayin_sync.mapping
SET crm_id = NULL, acked_hash = NULL, pending_write = NULL, source_hash = ''::bytea,
    last_sent = CASE WHEN item.action = 'unlink' OR item.origin = 'adopted' THEN NULL ELSE last_sent END,
    state = CASE WHEN mapping.state <> 'linked' THEN mapping.state
                 WHEN item.action = 'unlink' AND NOT recovery.make_again THEN 'gone' ELSE 'pending' END,
    settled_at = CASE WHEN mapping.state = 'orphaned' AND item.action = 'unlink' THEN clock_timestamp()
                      ELSE settled_at END
FROM krayin_sync.recovery_item AS item
JOIN krayin_sync.recovery ON recovery.id = item.recovery_id
WHERE item.recovery_id = %(recovery_id)s AND item.action <> 'keep' AND mapping.id = item.mapping_id
