-- Purpose: tell whether events wait for a run, and when a run last took some.
-- Parameters: sync_name.
-- Indexes: inbox_event_waiting, inbox_event_claimed.
SELECT EXISTS (
           SELECT 1 FROM krayin_sync.inbox_event WHERE sync_name = %(sync_name)s AND claimed_at IS NULL
       ) AS waiting,
       (SELECT max(claimed_at) FROM krayin_sync.inbox_event
        WHERE sync_name = %(sync_name)s AND claimed_at IS NOT NULL) AS last_claim
