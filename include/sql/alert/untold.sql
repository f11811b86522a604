-- Purpose: what of a sync's alerts a channel has not been told yet.
-- Parameters: sync_name, channel.
-- Indexes: alert_pkey.
SELECT condition, raised, message, since
FROM krayin_sync.alert
WHERE sync_name = %(sync_name)s AND %(channel)s <> ALL (told)
ORDER BY since, condition
