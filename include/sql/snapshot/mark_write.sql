-- Purpose: note how far one of Krayin's lists has been read. What an earlier reading, long enough ago, had seen as its
--          newest has now been read when nobody could be writing it any more.
-- Parameters: target_id, crm_kind, next_page, complete (boolean), watermark (or NULL to keep), margin (interval).
-- Indexes: crm_snapshot_mark_pkey.
INSERT INTO krayin_sync.crm_snapshot_watermark (target_id, crm_kind, next_page, complete_at, watermark, refreshed_at)
VALUES (%(target_id)s, %(crm_kind)s, %(next_page)s, CASE WHEN %(complete)s THEN clock_timestamp() END, %(watermark)s,
        clock_timestamp())
ON CONFLICT (target_id, crm_kind) DO UPDATE
SET next_page = excluded.next_page,
    settled_mark = CASE WHEN %(complete)s AND crm_snapshot_watermark.complete_at IS NOT NULL
                         AND crm_snapshot_watermark.refreshed_at < clock_timestamp() - %(margin)s
                        THEN crm_snapshot_watermark.watermark ELSE crm_snapshot_watermark.settled_mark END,
    complete_at = coalesce(crm_snapshot_watermark.complete_at, excluded.complete_at),
    watermark = greatest(crm_snapshot_watermark.watermark, excluded.watermark),
    refreshed_at = excluded.refreshed_at
