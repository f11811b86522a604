-- Purpose: note how far one of Krayin's lists has been read. What an earlier reading, long enough ago, had seen as its
--          newest has now been read when nobody could be writing it any more.
-- Parameters: target_id, crm_kind, next_page, complete (boolean), high_mark (or NULL to keep), margin (interval).
-- Indexes: crm_snapshot_mark_pkey.
INSERT INTO krayin_sync.crm_snapshot_mark (target_id, crm_kind, next_page, complete_at, high_mark, refreshed_at)
VALUES (%(target_id)s, %(crm_kind)s, %(next_page)s, CASE WHEN %(complete)s THEN clock_timestamp() END, %(high_mark)s,
        clock_timestamp())
ON CONFLICT (target_id, crm_kind) DO UPDATE
SET next_page = excluded.next_page,
    settled_mark = CASE WHEN %(complete)s AND crm_snapshot_mark.complete_at IS NOT NULL
                         AND crm_snapshot_mark.refreshed_at < clock_timestamp() - %(margin)s
                        THEN crm_snapshot_mark.high_mark ELSE crm_snapshot_mark.settled_mark END,
    complete_at = coalesce(crm_snapshot_mark.complete_at, excluded.complete_at),
    high_mark = greatest(crm_snapshot_mark.high_mark, excluded.high_mark),
    refreshed_at = excluded.refreshed_at
