-- Purpose: the Krayin that a sync was run with before the present one, or the one at an address.
-- Parameters: sync_name, target_id (the present one), base_url (or NULL: the sync's last).
-- Indexes: watermark_pkey, krayin_target_base_url_key.
SELECT target.id, target.base_url
FROM krayin_sync.krayin_target AS target
LEFT JOIN krayin_sync.watermark ON watermark.target_id = target.id AND watermark.sync_name = %(sync_name)s
WHERE target.id <> %(target_id)s AND target.base_url NOT LIKE '%%#moved-%%'
  AND CASE WHEN %(base_url)s::text IS NULL THEN watermark.target_id IS NOT NULL
           ELSE starts_with(target.base_url, %(base_url)s) END
ORDER BY watermark.moved_at DESC NULLS LAST
LIMIT 1
