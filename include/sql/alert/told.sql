-- Purpose: note that a channel has taken a message, unless the condition changed meanwhile.
-- Parameters: sync_name, condition, raised (boolean), channel.
-- Indexes: alert_pkey.
UPDATE krayin_sync.alert
SET told = told || %(channel)s::text
WHERE sync_name = %(sync_name)s AND condition = %(condition)s AND raised = %(raised)s AND %(channel)s <> ALL (told)
