-- Purpose: whether we have deleted persons or leads that nobody made again.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: removal_of_source.
SELECT EXISTS (
    SELECT FROM krayin_sync.removal
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND source_kind = 'contact' AND action = 'deleted' AND ended_at IS NULL
)
