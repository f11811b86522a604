-- What stands for a contact that was erased: nothing of it, yet the same for the same contact.
-- Of the numbers behind the scope: hashes that are stored stay right whatever becomes of the scope's own.
CREATE OR REPLACE FUNCTION krayin_sync.contact_hash(scope krayin_sync.scope, contact_id text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT sha256(convert_to(
    scope.target_id::text || ':' || scope.installation_id::text || ':' || scope.account_id::text || ':' || contact_id, 'UTF8'
)) $$;
