-- Purpose: take activities to be marked alike, for one call; none while an incident stops all writing to this Krayin.
-- Parameters: target_id, lease (interval), size.
-- Indexes: activity_mark_pkey, incident_open.
WITH first AS (
    SELECT is_done
    FROM krayin_sync.activity_mark
    WHERE target_id = %(target_id)s AND (lease_until IS NULL OR lease_until < clock_timestamp())
      AND NOT EXISTS (
          SELECT 1 FROM krayin_sync.incident
          WHERE closed_at IS NULL AND sync_name IS NULL AND target_id = %(target_id)s)
    ORDER BY crm_id
    LIMIT 1
), taken AS (
    SELECT mark.target_id, mark.crm_id
    FROM krayin_sync.activity_mark AS mark
    JOIN first USING (is_done)
    WHERE mark.target_id = %(target_id)s AND (mark.lease_until IS NULL OR mark.lease_until < clock_timestamp())
    ORDER BY mark.crm_id
    LIMIT %(size)s
    FOR UPDATE OF mark SKIP LOCKED
)
UPDATE krayin_sync.activity_mark AS mark
SET lease_until = clock_timestamp() + %(lease)s
FROM taken
WHERE mark.target_id = taken.target_id AND mark.crm_id = taken.crm_id
RETURNING mark.crm_id, mark.fence, mark.is_done, mark.lease_until
