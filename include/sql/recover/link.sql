-- Purpose: give bindings the records they were found to be, once none has a record of another one any more. What a backup
--          brought back of records that were closed or deleted as their contacts are gone is seen to once more.
-- Parameters: recovery_id, restored (boolean).
-- Indexes: recovery_item_pkey, mapping_pkey, mapping_one_source_per_record.
UPDATE krayin_sync.mapping
SET crm_id = item.crm_id,
    state = CASE WHEN mapping.state = 'pending' AND item.crm_id IS NOT NULL THEN 'linked' ELSE mapping.state END,
    origin = CASE WHEN item.action = 'relink' THEN item.origin ELSE mapping.origin END,
    crm_created_at = coalesce(item.crm_created_at, mapping.crm_created_at),
    settled_at = CASE WHEN %(restored)s AND item.crm_id IS NOT NULL THEN NULL ELSE settled_at END,
    former_crm_ids = item.former_crm_ids,
    former_adopted_ids = ARRAY(SELECT unnest(former_adopted_ids) INTERSECT SELECT unnest(item.former_crm_ids))
FROM krayin_sync.recovery_item AS item
WHERE item.recovery_id = %(recovery_id)s AND mapping.id = item.mapping_id
