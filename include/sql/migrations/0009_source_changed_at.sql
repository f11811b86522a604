-- Purpose: when a contact was last changed in Chatwoot, so that it can be told how long the change took to Krayin.
-- Parameters: none. Run once, in one transaction, by the migration tool.

-- Chatwoot's updated_at of the version planned; some of Chatwoot's writes leave it alone. NULL for what is no contact.
ALTER TABLE krayin_sync.operation ADD COLUMN source_changed_at timestamptz;
