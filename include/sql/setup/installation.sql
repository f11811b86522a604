-- Purpose: the id of a Chatwoot installation, registered at first sight.
-- Parameters: identity (what the installation calls itself).
-- Indexes: chatwoot_installation_identity_key.
INSERT INTO krayin_sync.chatwoot_installation (identity) VALUES (%(identity)s)
ON CONFLICT (identity) DO UPDATE SET identity = excluded.identity
RETURNING id
