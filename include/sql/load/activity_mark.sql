-- Purpose: note that an activity is to be marked done or not done; a later note replaces an earlier one, and waits
--          for the end of a call that is making the earlier one.
-- Parameters: target_id, crm_id, is_done, sync_name.
-- Indexes: activity_mark_pkey.
INSERT INTO krayin_sync.activity_mark (target_id, crm_id, is_done, sync_name, fence)
VALUES (%(target_id)s, %(crm_id)s, %(is_done)s, %(sync_name)s, nextval('krayin_sync.operation_fence'))
ON CONFLICT (target_id, crm_id) DO UPDATE
SET is_done = excluded.is_done, sync_name = excluded.sync_name, fence = excluded.fence
