-- Purpose: from now on no sync brings this contact over; once begun it is gone on with.
-- Parameters: sync_name, target_id, installation_id, account_id, contact_id (text).
-- Indexes: erasure_of_contact.
INSERT INTO krayin_sync.erasure (sync_name, target_id, installation_id, account_id, contact_hash)
VALUES (%(sync_name)s, %(target_id)s, %(installation_id)s, %(account_id)s,
        krayin_sync.contact_hash(%(target_id)s, %(installation_id)s, %(account_id)s, %(contact_id)s))
ON CONFLICT (target_id, installation_id, account_id, contact_hash) WHERE lifted_at IS NULL
DO UPDATE SET sync_name = excluded.sync_name
RETURNING id, receipt
